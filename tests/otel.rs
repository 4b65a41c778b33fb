//! Traces: what a collector is sent of a run.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it must be; its shared parts too"
)]

#[path = "support/mod.rs"]
#[allow(
    dead_code,
    unused_imports,
    reason = "shared with tests that ask for more"
)]
mod support;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::json;
use support::{Home, script, with};

/// One request as it came: its first line and its headers in small letters, and its body.
type Asked = (String, Vec<u8>);

/// A collector on this machine. It takes whatever it is sent, and says that this is well.
struct Collector {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Collector {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || answer(stream, &shared));
            }
        });
        Self { address, asked }
    }

    fn home(&self) -> Home {
        Home::new()
            .set(
                "OTEL_EXPORTER_OTLP_ENDPOINT",
                &format!("http://{}", self.address),
            )
            .set("OTEL_EXPORTER_OTLP_HEADERS", "x-who=adjourn-test")
    }

    /// All spans that it was sent, once whoever sent them has ended.
    fn spans(&self) -> Vec<Span> {
        let asked = self.asked.lock().unwrap();
        let bodies = asked.iter().map(|(_, body)| body.as_slice());
        bodies.flat_map(spans_of).collect()
    }
}

fn answer(stream: TcpStream, asked: &Mutex<Vec<Asked>>) {
    let mut reader = BufReader::new(stream);
    loop {
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            let line = line.trim_end().to_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(told) = line.strip_prefix("content-length: ") {
                length = told.parse().unwrap();
            }
            head.push_str(&line);
            head.push('\n');
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        asked.lock().unwrap().push((head, body));
        let well =
            b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n";
        reader.get_mut().write_all(well).unwrap();
    }
}

/// The fields of a protobuf message: their numbers and what they hold.
enum Held<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

fn fields(mut message: &[u8]) -> Vec<(u64, Held<'_>)> {
    fn number(message: &mut &[u8]) -> u64 {
        let (mut value, mut shift) = (0, 0);
        loop {
            let (byte, rest) = message.split_first().unwrap();
            *message = rest;
            value |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                return value;
            }
        }
    }
    fn take<'a>(message: &mut &'a [u8], length: usize) -> &'a [u8] {
        let (taken, rest) = message.split_at(length);
        *message = rest;
        taken
    }
    let mut found = Vec::new();
    while !message.is_empty() {
        let tag = number(&mut message);
        let held = match tag & 7 {
            0 => Held::Number(number(&mut message)),
            1 => Held::Bytes(take(&mut message, 8)),
            2 => {
                let length = usize::try_from(number(&mut message)).unwrap();
                Held::Bytes(take(&mut message, length))
            }
            5 => Held::Bytes(take(&mut message, 4)),
            other => panic!("wire type {other}"),
        };
        found.push((tag >> 3, held));
    }
    found
}

/// What the fields with that number hold.
fn all(message: &[u8], wanted: u64) -> Vec<&[u8]> {
    let found = fields(message).into_iter();
    found
        .filter_map(|(number, held)| match held {
            Held::Bytes(bytes) if number == wanted => Some(bytes),
            Held::Bytes(_) | Held::Number(_) => None,
        })
        .collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[derive(Debug, Clone, Default)]
struct Span {
    trace: Vec<u8>,
    id: Vec<u8>,
    parent: Vec<u8>,
    name: String,
    attributes: BTreeMap<String, String>,
    resource: BTreeMap<String, String>,
}

/// Keys and their values: texts and whole numbers, as texts.
fn attributes(message: &[u8], number: u64) -> BTreeMap<String, String> {
    let pairs = all(message, number).into_iter().map(|pair| {
        let value = all(pair, 2)[0];
        let value = match fields(value).remove(0) {
            (_, Held::Bytes(bytes)) => String::from_utf8_lossy(bytes).into_owned(),
            (_, Held::Number(number)) => number.to_string(),
        };
        (text(all(pair, 1)[0]), value)
    });
    pairs.collect()
}

/// The spans of an `ExportTraceServiceRequest`.
fn spans_of(body: &[u8]) -> Vec<Span> {
    let mut spans = Vec::new();
    for of_resource in all(body, 1) {
        let resource = attributes(all(of_resource, 1)[0], 1);
        for of_scope in all(of_resource, 2) {
            for span in all(of_scope, 2) {
                let first = |number| {
                    all(span, number)
                        .first()
                        .map(|it| it.to_vec())
                        .unwrap_or_default()
                };
                spans.push(Span {
                    trace: first(1),
                    id: first(2),
                    parent: first(4),
                    name: text(&first(5)),
                    attributes: attributes(span, 9),
                    resource: resource.clone(),
                });
            }
        }
    }
    spans
}

#[test]
fn the_steps_of_a_task_are_one_trace_also_over_a_second_process() {
    let collector = Collector::start();
    let home = collector.home();
    let task = with(
        script(
            &home.dag,
            "traced",
            "for i in 1 2 3; do echo line $i; sleep 1; done; exit 3",
        ),
        json!({"run_id": "r1", "logging_interval": 1, "poll_interval": 1, "retries": 1, "retry_delay": 1}),
    );
    let run = home.start(&["run", &home.task(&task)]);
    home.until_state("1", "deferred");
    run.signal(nix::sys::signal::Signal::SIGINT);
    run.finish().expect(130);
    let before = collector.spans().len();
    assert!(before > 0, "what was told is sent at the end");
    home.run(&["run", "--task", "1"]).expect(1);
    let spans = collector.spans();
    assert!(spans.len() > before);

    let (head, _) = &collector.asked.lock().unwrap()[0];
    assert!(head.starts_with("post /v1/traces "), "{head}");
    assert!(
        head.contains("content-type: application/x-protobuf\n"),
        "{head}"
    );
    assert!(head.contains("x-who: adjourn-test\n"), "{head}");

    for span in &spans {
        assert_eq!(span.trace, spans[0].trace, "{span:?}");
        assert_eq!(span.resource["service.name"], "adjourn");
    }
    let named =
        |name: &str| -> Vec<&Span> { spans.iter().filter(|span| span.name == name).collect() };
    let begun = named("execute");
    assert_eq!(begun.len(), 2, "one for each attempt: {spans:#?}");
    let tries: Vec<&str> = begun
        .iter()
        .map(|it| it.attributes["task.try_number"].as_str())
        .collect();
    assert_eq!(tries, ["1", "2"]);
    for (key, value) in [
        ("task.id", "1"),
        ("task.kind", "pod"),
        ("task.outcome", "deferred"),
        ("dag_id", home.dag.as_str()),
        ("task_id", "traced"),
        ("run_id", "r1"),
        ("map_index", "-1"),
    ] {
        // A number below zero is as large as it gets.
        let value = if value == "-1" {
            u64::MAX.to_string()
        } else {
            value.to_owned()
        };
        assert_eq!(begun[0].attributes[key], value, "{key}");
    }
    let resumed = named("trigger_reentry");
    let last = resumed.last().unwrap();
    assert_eq!(last.attributes["task.event"], "failed");
    assert_eq!(last.attributes["task.outcome"], "failed");
    assert!(
        named("fire")
            .iter()
            .any(|fire| fire.attributes["task.event"] == "running")
    );

    let steps: Vec<&[u8]> = begun
        .iter()
        .chain(&resumed)
        .map(|step| step.id.as_slice())
        .collect();
    for part in ["commit", "kubernetes request"] {
        let parts = named(part);
        assert!(!parts.is_empty(), "{part}");
        for span in parts {
            assert!(steps.contains(&span.parent.as_slice()), "{span:?}");
        }
    }
    let created = named("kubernetes request").into_iter().find(|span| {
        span.attributes["http.request.method"] == "POST"
            && span.attributes["url.path"].ends_with("/pods")
    });
    assert_eq!(
        created.unwrap().attributes["http.response.status_code"],
        "201"
    );
}

#[test]
fn a_collector_that_is_away_costs_a_task_nothing_and_none_is_asked_unless_named() {
    let collector = Collector::start();
    let home = collector.home();
    let nowhere = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let task = script(&home.dag, "alone", "echo hello");
    let away = collector
        .home()
        .set("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://{nowhere}"));
    let done = away.run(&["run", &away.task(&task)]).expect(0);
    assert_eq!(done.text(), "hello\n");
    let off = home.set("OTEL_SDK_DISABLED", "true");
    off.run(&["run", &off.task(&task)]).expect(0);
    assert!(collector.spans().is_empty());
}
