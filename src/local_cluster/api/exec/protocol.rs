//! The forms in which frames and the command's end are written.

use axum::extract::ws::{Message, WebSocketUpgrade};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{BufMut, Bytes, BytesMut};
use serde_json::{Value, json};

use crate::local_cluster::node::ExecEnd;

/// The number that a frame of ours begins with; input comes on 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Channel {
    Stdout = 1,
    Stderr = 2,
    Status = 3,
}

/// A subprotocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    V5,
    V4,
    /// The status is bare text.
    Plain,
    /// As plain, in text frames.
    Base64,
    /// No subprotocol was asked for: as plain.
    Unnamed,
}

/// What a client sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Incoming {
    /// Bytes for the command's input.
    Input(Bytes),
    /// The end of the command's input.
    EndOfInput,
    /// The size of the terminal that the client sits at.
    Size {
        /// Characters in a line.
        columns: u16,
        /// Lines.
        rows: u16,
    },
    /// Nothing that matters here.
    Nothing,
}

impl Protocol {
    /// The first of ours that the client offers; none if it offers others only.
    pub fn choose(upgrade: &WebSocketUpgrade) -> Option<Self> {
        let offered: Vec<&[u8]> = upgrade
            .requested_protocols()
            .map(http::HeaderValue::as_bytes)
            .collect();
        if offered.is_empty() {
            return Some(Self::Unnamed);
        }
        [Self::V5, Self::V4, Self::Plain, Self::Base64]
            .into_iter()
            .find(|one| {
                one.name()
                    .is_some_and(|name| offered.contains(&name.as_bytes()))
            })
    }

    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::V5 => Some("v5.channel.k8s.io"),
            Self::V4 => Some("v4.channel.k8s.io"),
            Self::Plain => Some("channel.k8s.io"),
            Self::Base64 => Some("base64.channel.k8s.io"),
            Self::Unnamed => None,
        }
    }

    /// A frame.
    pub fn frame(self, channel: Channel, payload: &[u8]) -> Message {
        match self {
            Self::Base64 => {
                let digit = channel as u8;
                Message::text(format!("{digit}{}", STANDARD.encode(payload)))
            }
            Self::V5 | Self::V4 | Self::Plain | Self::Unnamed => {
                let mut frame = BytesMut::with_capacity(payload.len() + 1);
                frame.put_u8(channel as u8);
                frame.extend_from_slice(payload);
                Message::Binary(frame.freeze())
            }
        }
    }

    /// Reads what a client sent.
    pub fn read(self, message: Message) -> Incoming {
        /// In v5: the channel that follows is closed.
        const CLOSE: u8 = 255;
        let bytes = match (self, message) {
            (Self::Base64, Message::Text(text)) => {
                let Some((digit, rest)) = text.split_at_checked(1) else {
                    return Incoming::Nothing;
                };
                let Ok(payload) = STANDARD.decode(rest) else {
                    return Incoming::Nothing;
                };
                let channel = digit.parse().unwrap_or(u8::MAX);
                Bytes::from([&[channel][..], &payload].concat())
            }
            (_, Message::Binary(bytes)) => bytes,
            (_, Message::Text(text)) => text.into(),
            (_, Message::Ping(_) | Message::Pong(_) | Message::Close(_)) => {
                return Incoming::Nothing;
            }
        };
        match (self, &bytes[..]) {
            (Self::V5, [CLOSE, 0]) => Incoming::EndOfInput,
            (_, [0, ..]) => Incoming::Input(bytes.slice(1..)),
            (_, [4, text @ ..]) => size(text).unwrap_or(Incoming::Nothing),
            _ => Incoming::Nothing,
        }
    }

    /// What is said on the status channel about the end of `command`.
    pub fn status(self, command: &[String], end: &ExecEnd) -> Vec<u8> {
        let (code, why) = match end {
            ExecEnd::Exited(0) => (Some(0), String::new()),
            ExecEnd::Exited(code) => {
                let what = match self {
                    Self::V5 => format!("command terminated with exit code {code}"),
                    Self::V4 | Self::Plain | Self::Base64 | Self::Unnamed => format!(
                        "error executing command [{}], exit code {code}",
                        command.join(" ")
                    ),
                };
                let why = format!("command terminated with non-zero exit code: {what}");
                (Some(*code), why)
            }
            ExecEnd::NotStarted(why) => (None, format!("Internal error occurred: {why}")),
        };
        match (self, code) {
            (Self::Plain | Self::Base64 | Self::Unnamed, _) => why.into_bytes(),
            (Self::V5 | Self::V4, code) => status_object(code, &why).to_string().into_bytes(),
        }
    }
}

fn size(text: &[u8]) -> Option<Incoming> {
    let size: Value = serde_json::from_slice(text).ok()?;
    let number = |member: &str| u16::try_from(size[member].as_u64()?).ok();
    Some(Incoming::Size {
        columns: number("Width")?,
        rows: number("Height")?,
    })
}

fn status_object(code: Option<i32>, why: &str) -> Value {
    match code {
        Some(0) => json!({"metadata": {}, "status": "Success"}),
        Some(code) => json!({
            "metadata": {},
            "status": "Failure",
            "message": why,
            "reason": "NonZeroExitCode",
            "details": {"causes": [{"reason": "ExitCode", "message": code.to_string()}]},
        }),
        None => json!({
            "metadata": {},
            "status": "Failure",
            "message": why,
            "reason": "InternalError",
            "details": {"causes": [{"message": why}]},
            "code": 500,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_code_is_a_text_among_the_causes() {
        let status = Protocol::V5.status(&["x".into()], &ExecEnd::Exited(7));
        assert_eq!(
            serde_json::from_slice::<Value>(&status).unwrap(),
            json!({
                "metadata": {},
                "status": "Failure",
                "message": "command terminated with non-zero exit code: command terminated with exit code 7",
                "reason": "NonZeroExitCode",
                "details": {"causes": [{"reason": "ExitCode", "message": "7"}]},
            })
        );
        assert_eq!(
            Protocol::V4.status(&[], &ExecEnd::Exited(0)),
            br#"{"metadata":{},"status":"Success"}"#
        );
        assert_eq!(
            Protocol::Plain.status(&["sh".into(), "-c".into()], &ExecEnd::Exited(3)),
            b"command terminated with non-zero exit code: error executing command [sh -c], exit code 3"
        );
    }

    #[test]
    fn the_size_of_a_terminal_comes_on_a_channel_of_its_own() {
        let sent = |text: &str| Message::Binary([b"\x04", text.as_bytes()].concat().into());
        assert_eq!(
            Protocol::V5.read(sent(r#"{"Width":80,"Height":24}"#)),
            Incoming::Size {
                columns: 80,
                rows: 24
            }
        );
        assert_eq!(
            Protocol::V5.read(sent(r#"{"Width":-1,"Height":24}"#)),
            Incoming::Nothing
        );
        assert_eq!(Protocol::V4.read(sent("wide")), Incoming::Nothing);
    }

    #[test]
    fn only_v5_can_end_the_input() {
        let end = || Message::Binary(Bytes::from_static(&[255, 0]));
        assert_eq!(Protocol::V5.read(end()), Incoming::EndOfInput);
        assert_eq!(Protocol::V4.read(end()), Incoming::Nothing);
        assert_eq!(
            Protocol::V4.read(Message::Binary(Bytes::from_static(b"\0abc"))),
            Incoming::Input(Bytes::from_static(b"abc"))
        );
        assert_eq!(
            Protocol::Base64.read(Message::text("0YWJj")),
            Incoming::Input(Bytes::from_static(b"abc"))
        );
        assert_eq!(
            Protocol::Base64.frame(Channel::Stdout, b"x\n"),
            Message::text("1eAo=")
        );
    }
}
