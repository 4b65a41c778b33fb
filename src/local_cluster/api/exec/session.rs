//! A command that runs while its streams go through a WebSocket.

use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use bytes::Bytes;
use futures::stream::SplitStream;
use futures::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::ChildStdin;
use tokio::sync::mpsc;

use super::protocol::{Channel, Incoming, Protocol};
use crate::local_cluster::node::{ExecEnd, ExecRequest, ExecSession, Terminal};

/// The most that one frame carries.
const PIECE: usize = 32 * 1024;
/// Frames that may wait for a slow client.
const WAITING: usize = 16;

/// A command as it was found when the connection had become a WebSocket.
pub(super) enum Command {
    Runs(Box<ExecSession>),
    /// It was not even started, and why.
    Failed(String),
}

/// Carries streams to and fro until the command has ended and its output is through, or the
/// client leaves. The command does not end because its client leaves.
pub(super) async fn run(
    socket: WebSocket,
    protocol: Protocol,
    command: Command,
    request: ExecRequest,
) {
    let (mut to_client, from_client) = socket.split();
    let first = if request.stdout || !request.stderr {
        Channel::Stdout
    } else {
        Channel::Stderr
    };
    if to_client.send(protocol.frame(first, &[])).await.is_err() {
        return;
    }
    let end = match command {
        Command::Failed(why) => ExecEnd::NotStarted(why),
        Command::Runs(mut session) => {
            let (frames, mut waiting) = mpsc::channel(WAITING);
            let ends = Ends {
                stdin: session.stdin.take(),
                terminal: session.terminal.take(),
            };
            let stdout = pump(
                session.stdout.take(),
                Channel::Stdout,
                protocol,
                frames.clone(),
            );
            let stderr = pump(session.stderr.take(), Channel::Stderr, protocol, frames);
            let sending = async {
                while let Some(frame) = waiting.recv().await {
                    to_client.send(frame).await?;
                }
                Ok::<_, axum::Error>(())
            };
            let running = async {
                let ((), (), sent, end) = tokio::join!(stdout, stderr, sending, session.wait());
                sent.map(|()| end)
            };
            tokio::select! {
                ended = running => match ended {
                    Ok(Ok(end)) => end,
                    Ok(Err(error)) => ExecEnd::NotStarted(error.to_string()),
                    // The client is gone.
                    Err(_) => return,
                },
                () = feed(from_client, ends, protocol) => {
                    // It is told that it was understood, if it is still there.
                    let _ = to_client.close().await;
                    return;
                }
            }
        }
    };
    let status = protocol.frame(Channel::Status, &protocol.status(&request.command, &end));
    let close = Message::Close(Some(CloseFrame {
        code: close_code::NORMAL,
        reason: "".into(),
    }));
    for message in [status, close] {
        if to_client.send(message).await.is_err() {
            return;
        }
    }
}

/// Makes frames of what the command writes, until the last process that holds the pipe ends.
async fn pump(
    from: Option<impl AsyncRead + Unpin>,
    channel: Channel,
    protocol: Protocol,
    frames: mpsc::Sender<Message>,
) {
    let Some(mut from) = from else { return };
    let mut buffer = vec![0; PIECE];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let Some(piece) = buffer.get(..length) else {
            return;
        };
        if frames.send(protocol.frame(channel, piece)).await.is_err() {
            return;
        }
    }
}

/// What a client can do to its command.
struct Ends {
    stdin: Option<ChildStdin>,
    terminal: Option<Terminal>,
}

/// Gives the command what the client sends. Ends when the client leaves.
async fn feed(mut from: SplitStream<WebSocket>, mut ends: Ends, protocol: Protocol) {
    while let Some(Ok(message)) = from.next().await {
        if matches!(message, Message::Close(_)) {
            return;
        }
        match protocol.read(message) {
            Incoming::Input(bytes) => write(&mut ends.stdin, &bytes).await,
            Incoming::EndOfInput => ends.stdin = None,
            Incoming::Size { columns, rows } => {
                if let Some(terminal) = &ends.terminal {
                    // A command that has ended needs no size.
                    let _ = terminal.resize(columns, rows);
                }
            }
            Incoming::Nothing => {}
        }
    }
}

/// A command that has closed its input does not want the rest.
async fn write(stdin: &mut Option<ChildStdin>, bytes: &Bytes) {
    if let Some(pipe) = stdin
        && pipe.write_all(bytes).await.is_err()
    {
        *stdin = None;
    }
}
