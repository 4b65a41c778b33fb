//! Chromium without a window, spoken to by its DevTools protocol.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use base64::Engine as _;
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use crate::support::eventually;

/// A browser with one page. Dropping it ends it.
pub struct Browser {
    child: Child,
    _profile: TempDir,
    runtime: Runtime,
    socket: WebSocketStream<TcpStream>,
    session: String,
    asked: u64,
}

impl Browser {
    pub fn start() -> Self {
        let profile = tempfile::tempdir().unwrap();
        let mut child = Command::new("chromium")
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--hide-scrollbars",
                "--no-first-run",
                "--disable-dev-shm-usage",
                "--remote-debugging-port=0",
            ])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the tests of the web page need chromium: apt-get install chromium");
        let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = said
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| {
                line.split_once("listening on ws://")
                    .map(|it| it.1.to_owned())
            })
            .expect("chromium ended before it listened");
        // Whatever else it says, somebody has to take.
        std::thread::spawn(move || said.for_each(drop));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let socket = runtime.block_on(async {
            let host = address.split('/').next().unwrap();
            let stream = TcpStream::connect(host).await.unwrap();
            let config = WebSocketConfig::default()
                .max_message_size(None)
                .max_frame_size(None);
            let url = format!("ws://{address}");
            let met = tokio_tungstenite::client_async_with_config(url, stream, Some(config));
            met.await.unwrap().0
        });
        let mut browser = Self {
            child,
            _profile: profile,
            runtime,
            socket,
            session: String::new(),
            asked: 0,
        };
        let target = browser.ask("Target.createTarget", json!({"url": "about:blank"}));
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let attached = browser.ask("Target.attachToTarget", attach);
        attached["sessionId"]
            .as_str()
            .unwrap()
            .clone_into(&mut browser.session);
        browser.size(1280, 900);
        browser
    }

    /// Sends a command and waits for its answer.
    #[track_caller]
    fn ask(&mut self, method: &str, params: Value) -> Value {
        self.asked += 1;
        let id = self.asked;
        let mut command = json!({"id": id, "method": method, "params": params});
        if !self.session.is_empty() {
            command["sessionId"] = json!(self.session);
        }
        let answer: Value = self.runtime.block_on(async {
            let text = command.to_string();
            self.socket.send(Message::text(text)).await.unwrap();
            loop {
                let message = self.socket.next().await.unwrap().unwrap();
                let Ok(text) = message.to_text() else {
                    continue;
                };
                let Ok(heard) = serde_json::from_str::<Value>(text) else {
                    continue;
                };
                if heard["id"] == id {
                    return heard;
                }
            }
        });
        assert!(answer["error"].is_null(), "{method} {params}: {answer}");
        answer["result"].clone()
    }

    pub fn size(&mut self, width: u32, height: u32) {
        let metrics =
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.ask("Emulation.setDeviceMetricsOverride", metrics);
    }

    pub fn dark(&mut self, dark: bool) {
        let scheme = if dark { "dark" } else { "light" };
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.ask("Emulation.setEmulatedMedia", json!({"features": features}));
    }

    pub fn scripts(&mut self, run: bool) {
        self.ask(
            "Emulation.setScriptExecutionDisabled",
            json!({"value": !run}),
        );
    }

    /// Goes to an address, and waits until its page is there.
    #[track_caller]
    pub fn go(&mut self, url: &str) {
        let went = self.ask("Page.navigate", json!({"url": url}));
        assert!(went["errorText"].is_null(), "{url}: {went}");
        self.until("document.readyState === 'complete'");
    }

    /// What an expression is; nothing while a page is being left.
    #[track_caller]
    pub fn value(&mut self, expression: &str) -> Value {
        let evaluate =
            json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let answer = self.ask("Runtime.evaluate", evaluate);
        assert!(
            answer["exceptionDetails"].is_null(),
            "{expression}: {answer}"
        );
        answer["result"]["value"].clone()
    }

    /// Waits until an expression is true, on a page that is there whole.
    #[track_caller]
    pub fn until(&mut self, expression: &str) {
        eventually(expression, || {
            let asked = format!(
                "(() => {{ try {{ return document.readyState === 'complete' && ({expression}) }} catch {{ return false }} }})()"
            );
            let evaluate = json!({"expression": asked, "returnByValue": true});
            let answer = self.ask("Runtime.evaluate", evaluate);
            (answer["result"]["value"] == true).then_some(())
        });
    }

    /// The text of what a selector finds first.
    #[track_caller]
    pub fn text(&mut self, selector: &str) -> String {
        let found = self.value(&format!("document.querySelector({selector:?})?.innerText"));
        let text = found.as_str();
        text.unwrap_or_else(|| panic!("nothing is {selector}"))
            .to_owned()
    }

    /// Clicks on what a selector finds first, as a finger would: where it is.
    #[track_caller]
    pub fn click(&mut self, selector: &str) {
        self.until(&format!("document.querySelector({selector:?}) !== null"));
        let place = self.value(&format!(
            "(() => {{ const it = document.querySelector({selector:?}); it.scrollIntoView({{block: 'center'}}); const r = it.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2] }})()"
        ));
        for kind in ["mousePressed", "mouseReleased"] {
            let click = json!({"type": kind, "x": place[0], "y": place[1], "button": "left", "clickCount": 1});
            self.ask("Input.dispatchMouseEvent", click);
        }
    }

    /// Presses a key.
    pub fn key(&mut self, key: &str) {
        let text = match key {
            "Enter" => "\r",
            "Escape" => "",
            key => key,
        };
        for kind in ["keyDown", "keyUp"] {
            let mut press = json!({"type": kind, "key": key});
            if kind == "keyDown" && !text.is_empty() {
                press["text"] = json!(text);
            }
            if key == "Enter" {
                press["windowsVirtualKeyCode"] = json!(13);
            }
            self.ask("Input.dispatchKeyEvent", press);
        }
    }

    /// Types a text into whatever has the focus.
    pub fn write(&mut self, text: &str) {
        self.ask("Input.insertText", json!({"text": text}));
    }

    /// A picture of the whole page.
    pub fn picture(&mut self, path: &Path) {
        let shot = self.ask("Page.captureScreenshot", json!({"format": "png"}));
        let bytes = base64::prelude::BASE64_STANDARD
            .decode(shot["data"].as_str().unwrap())
            .unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
