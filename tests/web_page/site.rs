//! A home with a daemon that answers.

use crate::support::{Home, Running};

pub struct Site {
    pub home: Home,
    pub url: String,
    _serve: Running,
}

impl Site {
    pub fn new() -> Self {
        Self::of(Home::new().set("ADJOURN_HTTP_LISTEN", "127.0.0.1:0"))
    }

    /// The daemon of a home that listens.
    pub fn of(home: Home) -> Self {
        let serve = home.start(&["serve"]);
        let said = serve.until_err("readiness", |said| {
            said.contains("adjourn serve: ready") && said.contains("http://")
        });
        let place = said.split("http://").nth(1).unwrap();
        let place = place.split([')', '\n', ',']).next().unwrap();
        Self {
            url: format!("http://{}", place.trim()),
            home,
            _serve: serve,
        }
    }

    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// What a request without a browser is answered: status, headers and body as one text.
    pub fn curl(&self, arguments: &[&str], path: &str) -> String {
        let output = std::process::Command::new("curl")
            .args(["-s", "-i"])
            .args(arguments)
            .arg(self.at(path))
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}
