//! Small clients that keep a program busy until they are told to stop.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use super::child::succeeded;
use super::programs::Load;

/// How many clients there are at a time.
const CLIENTS: usize = 6;
/// How many more connections are open and say nothing.
const IDLE: usize = 10;
/// A server that is silent for so long has not answered.
const PATIENCE: Duration = Duration::from_secs(10);
/// No answer to these clients is longer.
const LONGEST: u64 = 64 << 20;

/// What a load came to.
#[derive(Debug)]
pub(super) struct Served {
    pub requests: u64,
    /// Requests that got no answer.
    pub unanswered: u64,
}

/// Keeps the program busy while `meanwhile` runs. `fill` puts ports and paths into the words.
pub(super) fn under<T>(
    load: &Load,
    port: u16,
    fill: &(dyn Fn(&str) -> String + Sync),
    meanwhile: impl FnOnce() -> T,
) -> (Served, T) {
    let (stop, requests, unanswered) =
        (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    let done = thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (stop, requests, unanswered) = (&stop, &requests, &unanswered);
            scope.spawn(move || {
                let mut talk = None;
                for round in client.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let answered = match load {
                        Load::Http(paths) => {
                            get(port, paths.get(round % paths.len()).unwrap_or(&"/"))
                        }
                        Load::Talk {
                            first,
                            again,
                            until,
                        } => say(&mut talk, port, first, again, until),
                        Load::Client(words) => client_of_its_own(words, fill),
                    };
                    requests.fetch_add(1, Ordering::Relaxed);
                    if answered.is_err() {
                        unanswered.fetch_add(1, Ordering::Relaxed);
                        thread::sleep(Duration::from_millis(50));
                    }
                }
            });
        }
        let idle: Vec<_> = (0..IDLE).filter_map(|_| idle(load, port)).collect();
        // Even if it panics, the clients are told.
        let stopping = Stop(&stop);
        let done = meanwhile();
        drop(stopping);
        drop(idle);
        done
    });
    let served = Served {
        requests: requests.into_inner(),
        unanswered: unanswered.into_inner(),
    };
    (served, done)
}

struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Whether something takes connections there.
pub(super) fn is_open(port: u16) -> bool {
    connect(port).is_ok()
}

fn connect(port: u16) -> io::Result<TcpStream> {
    let at = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let stream = TcpStream::connect_timeout(&at, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// A connection that says its first word, and then nothing more.
fn idle(load: &Load, port: u16) -> Option<TcpStream> {
    let first = match load {
        Load::Http(paths) => request(port, paths.first()?, "keep-alive"),
        Load::Talk { first, .. } => (*first).to_owned(),
        Load::Client(_) => return None,
    };
    let mut stream = connect(port).ok()?;
    stream.write_all(first.as_bytes()).ok()?;
    Some(stream)
}

fn request(port: u16, path: &str, connection: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept-Encoding: gzip\r\nConnection: {connection}\r\n\r\n"
    )
}

/// One GET; any HTTP answer will do.
fn get(port: u16, path: &str) -> io::Result<()> {
    let mut stream = connect(port)?;
    stream.write_all(request(port, path, "close").as_bytes())?;
    let mut answer = Vec::new();
    stream.take(LONGEST).read_to_end(&mut answer)?;
    match answer.starts_with(b"HTTP/1.") {
        true => Ok(()),
        false => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// One round of a talk, over a connection that is made when there is none.
fn say(
    talk: &mut Option<TcpStream>,
    port: u16,
    first: &str,
    again: &str,
    until: &str,
) -> io::Result<()> {
    let mut stream = match talk.take() {
        Some(stream) => stream,
        None => {
            let mut stream = connect(port)?;
            stream.write_all(first.as_bytes())?;
            stream
        }
    };
    stream.write_all(again.as_bytes())?;
    let (mut heard, mut buffer) = (Vec::new(), [0; 4096]);
    while !contains(&heard, until.as_bytes()) {
        let n = stream.read(&mut buffer)?;
        if n == 0 || heard.len() as u64 > LONGEST {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        heard.extend_from_slice(buffer.get(..n).unwrap_or_default());
    }
    *talk = Some(stream);
    Ok(())
}

fn contains(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len().max(1)).any(|part| part == word)
}

fn client_of_its_own(words: &[&str], fill: &(dyn Fn(&str) -> String + Sync)) -> io::Result<()> {
    let mut words = words.iter().map(|word| fill(word));
    let status = Command::new(words.next().unwrap_or_default())
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()?;
    succeeded(status)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// A server that says the same to everyone, until the test ends.
    fn server(answer: &'static str) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                thread::spawn(move || {
                    let mut buffer = [0; 1024];
                    while stream.read(&mut buffer).is_ok_and(|n| n > 0) {
                        stream.write_all(answer.as_bytes()).unwrap();
                        if answer.starts_with("HTTP") {
                            return;
                        }
                    }
                });
            }
        });
        port
    }

    fn until_served(load: &Load, port: u16) -> Served {
        let pause = || thread::sleep(Duration::from_millis(300));
        under(load, port, &|word: &str| word.to_owned(), pause).0
    }

    #[test]
    fn answers_are_counted() {
        let port = server("HTTP/1.1 404 Not Found\r\n\r\n");
        let served = until_served(&Load::Http(&["/a", "/b"]), port);
        assert!(served.requests > 0 && served.unanswered == 0, "{served:?}");
    }

    #[test]
    fn a_talk_goes_on() {
        let port = server("PONG\r\n");
        let talk = Load::Talk {
            first: "HELLO\r\n",
            again: "PING\r\n",
            until: "PONG\r\n",
        };
        let served = until_served(&talk, port);
        assert!(served.requests > 0 && served.unanswered == 0, "{served:?}");
    }

    #[test]
    fn what_is_no_answer_is_counted_as_none() {
        let port = server("what?");
        let served = until_served(&Load::Client(&["false"]), port);
        assert_eq!(served.requests, served.unanswered);
    }
}
