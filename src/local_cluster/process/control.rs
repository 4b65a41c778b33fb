//! The way in for whoever owns the cluster: a socket in its directory, beside the API.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt};
use tokio::net::UnixListener;
use tokio_util::sync::CancellationToken;

use super::dir::ClusterDir;
use super::info::ClusterInfo;

/// How long the other side may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// A wish, one word on a line. The answer is the cluster's [`ClusterInfo`] on a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    /// Tell about yourself.
    Status,
    /// End the pods' processes, then yourself.
    Stop,
}

impl Wish {
    fn word(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Stop => "stop",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        [Self::Status, Self::Stop]
            .into_iter()
            .find(|wish| wish.word() == word)
    }
}

/// Tells the running server of `dir` a wish. None if no server answers.
pub(super) fn tell(dir: &ClusterDir, wish: Wish) -> Option<ClusterInfo> {
    let asked = || -> io::Result<ClusterInfo> {
        let (_dir, path) = dir.socket()?;
        let mut stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.write_all(format!("{}\n", wish.word()).as_bytes())?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line)?;
        Ok(serde_json::from_str(&line)?)
    };
    asked().ok()
}

/// Opens the socket. The server's lock is held, so that a socket that is there is a dead one's.
pub(super) fn listen(dir: &ClusterDir) -> io::Result<UnixListener> {
    let (_dir, path) = dir.socket()?;
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    UnixListener::bind(path)
}

/// Answers wishes until one of them is to stop, which cancels `stop`.
pub(super) async fn answer(
    listener: UnixListener,
    info: impl Fn() -> ClusterInfo,
    stop: CancellationToken,
) {
    while !stop.is_cancelled() {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let conversation = async {
            let (reader, mut writer) = stream.into_split();
            let mut line = String::new();
            tokio::io::BufReader::new(reader)
                .read_line(&mut line)
                .await?;
            let wish = Wish::from_word(line.trim());
            let mut answer = serde_json::to_string(&info())?;
            answer.push('\n');
            writer.write_all(answer.as_bytes()).await?;
            writer.shutdown().await?;
            Ok::<_, io::Error>(wish)
        };
        // One at a time: the only ones to ask are the owner's own commands.
        if let Ok(Ok(Some(Wish::Stop))) = tokio::time::timeout(PATIENCE, conversation).await {
            stop.cancel();
        }
    }
}
