//! An HTTP client that hides nothing: it writes what it is told and reads what comes.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use serde_json::Value;

use crate::support::PATIENCE;

/// A request, not yet sent.
#[derive(Clone)]
pub struct Request {
    place: String,
    method: &'static str,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Request {
    pub fn new(place: &str, method: &'static str, path: &str) -> Self {
        Self {
            place: place.to_owned(),
            method,
            path: path.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn body(self, kind: &str, body: impl AsRef<[u8]>) -> Self {
        let mut request = self.header("content-type", kind);
        request.body = body.as_ref().to_vec();
        request
    }

    pub fn json(self, body: &Value) -> Self {
        self.body("application/json", body.to_string())
    }

    pub fn yaml(self, body: &str) -> Self {
        self.body("application/yaml", body)
    }

    /// Sends it and reads the head of the answer.
    pub fn open(self) -> Answering {
        let mut stream = TcpStream::connect(&self.place).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.path);
        let told = |name: &str| self.headers.iter().any(|(known, _)| known == name);
        if !told("host") {
            head.push_str(&format!("host: {}\r\n", self.place));
        }
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!(
            "content-length: {}\r\nconnection: close\r\n\r\n",
            self.body.len()
        ));
        stream.write_all(head.as_bytes()).unwrap();
        // A server that has seen enough may answer before it has read all.
        let _ = stream.write_all(&self.body);
        let mut reader = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(
                reader.read_line(&mut head).unwrap() > 0,
                "no answer: {head}"
            );
        }
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let chunked = head.to_lowercase().contains("transfer-encoding: chunked");
        Answering {
            status,
            head,
            chunked,
            reader,
            lines: String::new(),
        }
    }

    /// Sends it and reads the whole answer.
    pub fn send(self) -> Answer {
        self.open().finish()
    }
}

/// An answer that is being read.
pub struct Answering {
    pub status: u16,
    head: String,
    chunked: bool,
    reader: BufReader<TcpStream>,
    lines: String,
}

impl Answering {
    /// The next part of a chunked body; none behind the last.
    fn chunk(&mut self) -> Option<Vec<u8>> {
        let mut size = String::new();
        self.reader.read_line(&mut size).unwrap();
        let size = usize::from_str_radix(size.trim(), 16).ok()?;
        let mut bytes = vec![0; size + 2];
        self.reader.read_exact(&mut bytes).unwrap();
        bytes.truncate(size);
        (size > 0).then_some(bytes)
    }

    pub fn finish(mut self) -> Answer {
        let mut body = Vec::new();
        if self.chunked {
            while let Some(chunk) = self.chunk() {
                body.extend(chunk);
            }
        } else {
            self.reader.read_to_end(&mut body).unwrap();
        }
        Answer {
            status: self.status,
            head: self.head,
            body,
        }
    }

    /// The next server-sent event: its name, id and data; none when the answer has ended.
    pub fn event(&mut self) -> Option<(String, String, Value)> {
        loop {
            if let Some((event, rest)) = self.lines.split_once("\n\n") {
                let event = event.to_owned();
                self.lines = rest.to_owned();
                let field = |name: &str| {
                    let found = event.lines().find_map(|line| line.strip_prefix(name));
                    found.unwrap_or_default().trim().to_owned()
                };
                // A comment says only that the server is there.
                if event.starts_with(':') {
                    continue;
                }
                let data = serde_json::from_str(&field("data:")).unwrap();
                return Some((field("event:"), field("id:"), data));
            }
            let chunk = self.chunk()?;
            self.lines.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }
}

impl Answer {
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        let body = String::from_utf8_lossy(&self.body);
        assert_eq!(self.status, status, "{}{body}", self.head);
        self
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    /// A problem, as every error must be: its kind and its sentence.
    #[track_caller]
    pub fn problem(self, status: u16) -> (String, String) {
        let answer = self.expect(status);
        let head = answer.head.to_lowercase();
        assert!(
            head.contains("content-type: application/problem+json"),
            "{head}"
        );
        let problem = answer.json();
        assert_eq!(problem["status"], status);
        let word = |key: &str| problem[key].as_str().unwrap().to_owned();
        (word("kind"), word("detail"))
    }
}
