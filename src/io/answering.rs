//! A server for tests, which answers as it is told to.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};

/// Answers one request after the other, each on a connection of its own, with whole answers, and tells each head, in small letters, and body. An empty answer is silence.
pub(super) fn server(answers: Vec<String>) -> (u16, Receiver<(String, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for answer in answers {
            let (stream, _) = listener.accept().expect("a connection");
            let mut reader = BufReader::new(stream);
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                reader.read_line(&mut head).expect("a line");
            }
            let head = head.to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
            let mut body = vec![0; length.parse().expect("digits")];
            reader.read_exact(&mut body).expect("a body");
            // Who reads no further than it wants to cuts the connection.
            drop(reader.get_mut().write_all(answer.as_bytes()));
            _ = sender.send((head, String::from_utf8(body).expect("UTF-8")));
            if answer.is_empty() {
                // Until the other side has had enough.
                drop(reader.read_to_end(&mut Vec::new()));
            }
        }
    });
    (port, receiver)
}

/// A whole answer with a status and, after it, headers.
pub(super) fn answer(head: &str) -> String {
    format!("HTTP/1.1 {head}\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno")
}
