//! A TCP proxy before a broker, which advertises the proxy's port: it delays, cuts, swallows, and loses answers.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Kafka's number of the request that ends a transaction.
const END_TXN: i16 = 26;

/// What the proxy does with bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weather {
    /// Passes them on.
    Fine,
    /// Passes them on after a while, each way.
    Slow(Duration),
    /// Takes them and passes nothing on; connections stay open.
    BlackHole,
    /// Lets the broker end transactions, and cuts the connection before the answer.
    NoAnswerToEndTxn,
}

/// What connections share.
struct Shared {
    weather: Mutex<Weather>,
    connections: Mutex<Vec<TcpStream>>,
    lost_answers: AtomicU64,
    ends: AtomicBool,
}

/// The proxy. It ends with the test process.
pub(crate) struct Proxy {
    port: u16,
    listener: Option<TcpListener>,
    shared: Arc<Shared>,
}

impl Proxy {
    /// Takes a free port. Connections wait until [`Self::lead_to`].
    pub(crate) fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let shared = Shared {
            weather: Mutex::new(Weather::Fine),
            connections: Mutex::default(),
            lost_answers: AtomicU64::new(0),
            ends: AtomicBool::new(false),
        };
        Self { port, listener: Some(listener), shared: Arc::new(shared) }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Passes connections on to a port of this machine.
    pub(crate) fn lead_to(&mut self, port: u16) {
        let (listener, shared) = (self.listener.take().expect("led once"), Arc::clone(&self.shared));
        std::thread::spawn(move || {
            for client in listener.incoming() {
                if shared.ends.load(Ordering::Relaxed) {
                    return;
                }
                let (Ok(client), Ok(broker)) = (client, TcpStream::connect(("127.0.0.1", port))) else { continue };
                shared.connect(client, broker);
            }
        });
    }

    pub(crate) fn set(&self, weather: Weather) {
        *self.shared.weather.lock().expect("whole") = weather;
    }

    /// Cuts every connection that there is.
    pub(crate) fn cut(&self) {
        self.shared.cut();
    }

    /// Answers to the end of a transaction that were lost.
    pub(crate) fn lost_answers(&self) -> u64 {
        self.shared.lost_answers.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ends.store(true, Ordering::Relaxed);
        self.shared.cut();
        // Wakes the thread that waits for connections.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}

impl Shared {
    fn cut(&self) {
        for connection in self.connections.lock().expect("whole").drain(..) {
            // It may be closed.
            drop(connection.shutdown(Shutdown::Both));
        }
    }

    fn connect(self: &Arc<Self>, client: TcpStream, broker: TcpStream) {
        let copy = |stream: &TcpStream| stream.try_clone().expect("a second handle");
        for stream in [&client, &broker] {
            stream.set_nodelay(true).expect("set");
            self.connections.lock().expect("whole").push(copy(stream));
        }
        let loses = Arc::new(AtomicBool::new(false));
        let there = (Arc::clone(self), copy(&client), copy(&broker), Arc::clone(&loses));
        std::thread::spawn(move || there.0.carry_requests(there.1, there.2, &there.3));
        let back = Arc::clone(self);
        std::thread::spawn(move || back.carry_answers(broker, client, &loses));
    }

    /// What to do with bytes at hand; `false` when they are swallowed.
    fn weathers(&self) -> bool {
        let weather = *self.weather.lock().expect("whole");
        if let Weather::Slow(delay) = weather {
            std::thread::sleep(delay);
        }
        weather != Weather::BlackHole
    }

    /// Requests, one by one: length, then the number of the request.
    fn carry_requests(&self, mut from: TcpStream, mut to: TcpStream, loses: &AtomicBool) {
        let mut head = [0_u8; 4];
        while from.read_exact(&mut head).is_ok() {
            let mut body = vec![0; u32::from_be_bytes(head) as usize];
            if from.read_exact(&mut body).is_err() {
                break;
            }
            let ends_transaction = body.len() > 2 && i16::from_be_bytes([body[0], body[1]]) == END_TXN;
            if ends_transaction && *self.weather.lock().expect("whole") == Weather::NoAnswerToEndTxn {
                loses.store(true, Ordering::Relaxed);
            }
            if self.weathers() && (to.write_all(&head).is_err() || to.write_all(&body).is_err()) {
                break;
            }
        }
        // The other way may be closed already.
        drop((from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both)));
    }

    fn carry_answers(&self, mut from: TcpStream, mut to: TcpStream, loses: &AtomicBool) {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(count) = from.read(&mut buffer) {
            if count == 0 || loses.load(Ordering::Relaxed) {
                break;
            }
            if self.weathers() && to.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        if loses.load(Ordering::Relaxed) {
            self.lost_answers.fetch_add(1, Ordering::Relaxed);
        }
        // The other way may be closed already.
        drop((from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both)));
    }
}
