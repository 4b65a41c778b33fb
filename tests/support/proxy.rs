//! A TCP proxy on the way to a server: it can cut what is under way, refuse what comes, and
//! hold everything back without a word.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it must be; its shared parts too"
)]

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};

/// What happens to connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Open,
    /// New connections are closed at once.
    Refused,
    /// Nothing is passed on, in neither direction; nothing is closed.
    Silent,
    /// The test is over.
    Ended,
}

struct Shared {
    way: Mutex<Way>,
    changed: Condvar,
    open: Mutex<Vec<TcpStream>>,
}

/// Passes connections on to a server.
pub struct Proxy {
    shared: Arc<Shared>,
    there: SocketAddr,
    here: SocketAddr,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.set(Way::Ended);
        self.cut();
        // Wakes the listener, which sees that it is over.
        let _ = TcpStream::connect(self.here);
    }
}

impl Proxy {
    /// A proxy before the API server that a kubeconfig names.
    pub fn before(kubeconfig: &str) -> Self {
        let address = kubeconfig.split("https://").nth(1).unwrap();
        let end = |c: char| c.is_whitespace() || c == '"' || c == '/';
        Self::to(address.split(end).next().unwrap().parse().unwrap())
    }

    /// A proxy before the server at an address.
    pub fn to(there: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let here = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            way: Mutex::new(Way::Open),
            changed: Condvar::new(),
            open: Mutex::default(),
        });
        let accepting = shared.clone();
        std::thread::spawn(move || accept(&listener, there, &accepting));
        Self {
            shared,
            there,
            here,
        }
    }

    /// The kubeconfig with this proxy in place of the server.
    pub fn kubeconfig(&self, kubeconfig: &str) -> String {
        kubeconfig.replace(&self.there.to_string(), &self.here.to_string())
    }

    /// Where it is itself.
    #[allow(dead_code, reason = "for the tests of several daemons alone")]
    pub fn address(&self) -> SocketAddr {
        self.here
    }

    /// Cuts every connection that is open.
    pub fn cut(&self) {
        for stream in self.shared.open.lock().unwrap().drain(..) {
            // One that has ended already is cut, too.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// The server is not there any more: what is open is cut and nothing new gets through.
    pub fn refuse(&self) {
        self.set(Way::Refused);
        self.cut();
    }

    /// Holds everything back; connections stay open.
    pub fn fall_silent(&self) {
        self.set(Way::Silent);
    }

    /// Everything gets through again, what was held back first.
    pub fn let_through(&self) {
        self.set(Way::Open);
    }

    fn set(&self, way: Way) {
        *self.shared.way.lock().unwrap() = way;
        self.shared.changed.notify_all();
    }
}

fn accept(listener: &TcpListener, there: SocketAddr, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        let (Ok(near), way) = (stream, *shared.way.lock().unwrap()) else {
            return;
        };
        match way {
            Way::Ended => return,
            Way::Refused => continue,
            Way::Open | Way::Silent => {}
        }
        let Ok(far) = TcpStream::connect(there) else {
            continue;
        };
        let ends = [near.try_clone().unwrap(), far.try_clone().unwrap()];
        shared.open.lock().unwrap().extend(ends);
        for (from, to) in [
            (near.try_clone().unwrap(), far.try_clone().unwrap()),
            (far, near),
        ] {
            let shared = shared.clone();
            std::thread::spawn(move || pass_on(from, to, &shared));
        }
    }
}

fn pass_on(mut from: TcpStream, mut to: TcpStream, shared: &Shared) {
    let mut buffer = [0; 16384];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        let silent = |way: &mut Way| *way == Way::Silent;
        let way = shared.way.lock().unwrap();
        drop(shared.changed.wait_while(way, silent).unwrap());
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}
