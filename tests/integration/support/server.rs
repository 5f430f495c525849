//! A server of HTTP that answers as a test says.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

/// What is asked.
pub(crate) struct Request {
    /// Such as `GET`.
    pub(crate) method: String,
    pub(crate) path: String,
    /// Lines of the head, the first left out.
    pub(crate) headers: Vec<String>,
    pub(crate) body: String,
}

/// What is answered: such as `200 OK`, and the body.
pub(crate) type Answer = (&'static str, String);

/// Serves for as long as the test runs. Says on which port.
pub(crate) fn serve(answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let answer = Arc::clone(&answer);
            // Whoever asks may be gone.
            std::thread::spawn(move || drop(exchange(&stream, &*answer)));
        }
    });
    port
}

fn exchange(mut stream: &TcpStream, answer: &dyn Fn(&Request) -> Answer) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        match line.trim_end() {
            "" => break,
            line => head.push(line.to_owned()),
        }
    }
    let length = head.iter().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let first = if head.is_empty() { String::new() } else { head.remove(0) };
    let mut words = first.split(' ').map(str::to_owned);
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (status, said) = answer(&Request { method, path, headers: head, body: String::from_utf8_lossy(&body).into_owned() });
    write!(stream, "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{said}", said.len())
}
