//! A program that gets the document on its standard input.

use std::process::Stdio;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

use crate::store::Delivery;

/// How much of what the program says wrong is kept.
const LONGEST: u64 = 2000;

/// Runs the program in the folder that the daemon was started in. It is ended when it takes too long: whoever drops this
/// future ends it.
pub(super) async fn send(delivery: &Delivery, words: &[String]) -> Result<(), String> {
    let (program, arguments) = words.split_first().ok_or("the command is empty")?;
    let mut child = Command::new(program)
        .args(arguments)
        .env("PHASELINE_OCCASION", &delivery.occasion)
        .env("PHASELINE_PIPELINE", &delivery.pipeline)
        .env("PHASELINE_RUN", &delivery.run)
        .env_remove("PHASELINE_DATABASE_URL")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("`{program}` cannot be started: {error}"))?;
    let mut stdin = child.stdin.take();
    let stderr = child.stderr.take();
    let feed = async {
        if let Some(stdin) = &mut stdin {
            // A program that does not want to know it all is fine.
            stdin.write_all(delivery.body.as_bytes()).await.ok();
        }
        stdin = None;
    };
    let listen = async {
        let mut said = Vec::new();
        if let Some(stderr) = stderr {
            let mut kept = stderr.take(LONGEST);
            kept.read_to_end(&mut said).await.ok();
            // The rest is read too, so that the program does not wait for us.
            tokio::io::copy(&mut kept.into_inner(), &mut tokio::io::sink()).await.ok();
        }
        String::from_utf8_lossy(&said).trim().to_owned()
    };
    let ((), said, status) = tokio::join!(feed, listen, child.wait());
    let status = status.map_err(|error| error.to_string())?;
    if status.success() { Ok(()) } else { Err(format!("`{program}` failed ({status}) {said}").trim_end().to_owned()) }
}
