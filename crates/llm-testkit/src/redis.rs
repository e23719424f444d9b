//! A Redis of the test's own: a real server on a free port, with what it holds in a folder that goes away.
//!
//! It writes every change to disk, so that a server that is killed and comes back still knows what it held.

use std::env;
use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::process::{Program, Ready, Running, free_addr};

/// Names another server program than the `redis-server` of the path.
const VARIABLE: &str = "LLM_REDIS_SERVER";
/// Between a port being found free and the server taking it, another may.
const TRIES: usize = 5;
/// How long it may take to read what it held.
const LOADING: Duration = Duration::from_secs(30);

/// A running server, or one that is down for now. Dropping it kills it.
#[derive(Debug)]
pub struct Redis {
    server: Option<Running>,
    addr: SocketAddr,
    dir: TempDir,
}

impl Redis {
    /// Starts one and waits until it answers.
    ///
    /// # Errors
    /// When there is no `redis-server`, or it does not start; the message says what to do.
    pub fn start() -> io::Result<Self> {
        let mut last = io::Error::other("no port is free");
        for _ in 0..TRIES {
            let (addr, dir) = (free_addr()?, tempfile::tempdir()?);
            match launch(addr, &dir) {
                Ok(server) => return Ok(Self { server: Some(server), addr, dir }),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    return Err(io::Error::new(
                        error.kind(),
                        format!(
                            "{error}: install it (`apt-get install redis-server`; `cargo xtask test` does it \
                             for root), or name a program in {VARIABLE}"
                        ),
                    ));
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// `redis://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://{}", self.addr)
    }

    /// Where it listens, up or down.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Kills it as a machine that loses power. Its port refuses connections from now on.
    ///
    /// # Errors
    /// When the system can't tell whether it has ended.
    pub fn kill(&mut self) -> io::Result<()> {
        if let Some(mut server) = self.server.take() {
            server.signal("KILL")?;
            server.wait_exit(Duration::from_secs(10))?;
        }
        Ok(())
    }

    /// Starts it again where it was, with what it held.
    ///
    /// # Errors
    /// When it does not start.
    pub fn restart(&mut self) -> io::Result<()> {
        self.kill()?;
        self.server = Some(launch(self.addr, &self.dir)?);
        Ok(())
    }

    /// Stops it without ending it: connections stay open and nothing is answered.
    ///
    /// # Errors
    /// When it is down.
    pub fn freeze(&self) -> io::Result<()> {
        self.signal("STOP")
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// When it is down.
    pub fn thaw(&self) -> io::Result<()> {
        self.signal("CONT")
    }

    fn signal(&self, name: &str) -> io::Result<()> {
        self.server.as_ref().ok_or(io::ErrorKind::NotConnected)?.signal(name)
    }

    /// Sends one command and gives the answer's first line, or the whole of a bulk string.
    ///
    /// # Errors
    /// When it is down or refuses.
    pub fn command(&self, words: &[&[u8]]) -> io::Result<String> {
        command(self.addr, words)
    }

    /// Listens to a channel from now on.
    ///
    /// # Errors
    /// When it is down.
    pub fn subscribe(&self, channel: &str) -> io::Result<Subscription> {
        let mut subscription = Subscription { reader: ask(self.addr, &[b"SUBSCRIBE", channel.as_bytes()])? };
        subscription.message()?;
        Ok(subscription)
    }
}

/// What comes over a channel.
#[derive(Debug)]
pub struct Subscription {
    reader: BufReader<TcpStream>,
}

impl Subscription {
    /// Waits for the next message.
    ///
    /// # Errors
    /// When none comes within 10 seconds.
    pub fn message(&mut self) -> io::Result<String> {
        // `*3`, then the kind, the channel, and the message or a number.
        line(&mut self.reader)?;
        answer(&mut self.reader)?;
        answer(&mut self.reader)?;
        answer(&mut self.reader)
    }
}

fn command(addr: SocketAddr, words: &[&[u8]]) -> io::Result<String> {
    answer(&mut ask(addr, words)?)
}

fn ask(addr: SocketAddr, words: &[&[u8]]) -> io::Result<BufReader<TcpStream>> {
    let mut stream = TcpStream::connect(addr)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut request = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        request.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        request.extend_from_slice(word);
        request.extend_from_slice(b"\r\n");
    }
    stream.write_all(&request)?;
    Ok(BufReader::new(stream))
}

fn line(reader: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    Ok(line.trim_end().to_owned())
}

/// One value: its line, or the whole of a bulk string.
fn answer(reader: &mut BufReader<TcpStream>) -> io::Result<String> {
    let line = line(reader)?;
    if let Some(error) = line.strip_prefix('-') {
        return Err(io::Error::other(error.to_owned()));
    }
    let Some(length) = line.strip_prefix('$').and_then(|length| length.parse::<usize>().ok()) else {
        return Ok(line);
    };
    let mut bulk = vec![0; length + 2];
    reader.read_exact(&mut bulk)?;
    bulk.truncate(length);
    Ok(String::from_utf8_lossy(&bulk).into_owned())
}

fn launch(addr: SocketAddr, dir: &TempDir) -> io::Result<Running> {
    let program = env::var_os(VARIABLE).filter(|program| !program.is_empty());
    let program = program.unwrap_or_else(|| OsString::from("redis-server"));
    let (ip, port) = (addr.ip().to_string(), addr.port().to_string());
    let settings = [
        ["--bind", &ip],
        ["--port", &port],
        ["--save", ""],
        ["--appendonly", "yes"],
        ["--appendfsync", "always"],
        ["--daemonize", "no"],
    ];
    let server = Program::new(program)
        .args(settings.concat())
        .args([std::ffi::OsStr::new("--dir"), dir.path().as_os_str()])
        .ready(Ready::Port)
        .start(addr)?;
    // It accepts connections before it has read what it held.
    let until = Instant::now() + LOADING;
    while let Err(error) = command(addr, &[b"PING"]) {
        if Instant::now() > until {
            return Err(io::Error::other(format!("{error}:\n{}", server.logs())));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(server)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_comes_back_with_what_it_held() {
        let mut redis = Redis::start().unwrap();
        assert_eq!(redis.command(&[b"SET", b"a", b"one\r\ntwo"]).unwrap(), "+OK");
        assert!(redis.command(&[b"NO-SUCH"]).unwrap_err().to_string().contains("unknown command"));
        redis.kill().unwrap();
        assert!(redis.command(&[b"GET", b"a"]).is_err());
        redis.restart().unwrap();
        assert_eq!(redis.command(&[b"GET", b"a"]).unwrap(), "one\r\ntwo");
    }
}
