//! Alerts as a real Alertmanager sees them: it comes late, is told again before it forgets, and hears that it is over.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value;
use stickiness::config::AlertmanagerSettings;
use stickiness::engine::alerts::{Alert, AlertBook, AlertSettings, Entries, SegmentDay};
use stickiness::io::alertmanager::{Alertmanager, AlertmanagerPace};
use stickiness::io::clock::Stopwatch;
use stickiness::model::spike::deficit::Returns;
use stickiness::model::time::{Calendar, Day};

const PROGRAM: &str = "prometheus-alertmanager";
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// The program of Debian's package of the same name.
fn program() -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders).map(|folder| folder.join(PROGRAM)).find(|path| path.is_file())
}

/// Without the program the test is listed as ignored, unless `STICKINESS_REQUIRE_ALERTMANAGER` is set, as `scripts/test.sh` does.
pub(crate) fn is_ignored() -> bool {
    program().is_none() && std::env::var_os("STICKINESS_REQUIRE_ALERTMANAGER").is_none()
}

/// A running Alertmanager, ended with its owner.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

impl Running {
    fn start(folder: &Path, port: u16, webhook: u16) -> Self {
        let config = folder.join("alertmanager.yml");
        let receiver = format!("[{{url: 'http://127.0.0.1:{webhook}/', send_resolved: true}}]");
        let route = "{receiver: hook, group_by: [alertname], group_wait: 0s, group_interval: 1s}";
        std::fs::write(&config, format!("route: {route}\nreceivers: [{{name: hook, webhook_configs: {receiver}}}]\n")).expect("a file");
        let program = program().expect("prometheus-alertmanager: apt-get install prometheus-alertmanager");
        let mut command = Command::new(program);
        command.arg(format!("--config.file={}", config.display())).arg(format!("--storage.path={}", folder.join("data").display()));
        command.arg(format!("--web.listen-address=127.0.0.1:{port}")).args(["--cluster.listen-address=", "--log.level=warn"]);
        Self(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("a process"))
    }
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port()
}

/// The alerts that are active.
fn active(port: u16) -> Option<Vec<Value>> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.write_all(b"GET /api/v2/alerts HTTP/1.0\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.contains(" 200 ").then(|| serde_json::from_str(body).expect("JSON"))
}

fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let watch = Stopwatch::start();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(watch.elapsed() < PATIENCE, "no {what} within {PATIENCE:?}");
        std::thread::park_timeout(Duration::from_millis(50));
    }
}

/// What the Alertmanager sends out: the bodies of its notifications.
fn webhook() -> (u16, Receiver<Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut reader = BufReader::new(stream.expect("a connection"));
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).expect("a line") > 0 {}
            let length = head.to_ascii_lowercase().lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
            let mut body = vec![0; length.unwrap_or(0)];
            reader.read_exact(&mut body).expect("a body");
            _ = reader.get_mut().write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            if let Ok(body) = serde_json::from_slice(&body) {
                _ = sender.send(body);
            }
        }
    });
    (port, receiver)
}

/// An alert that started lately, and the same resolved.
fn life() -> (Alert, Alert) {
    let mut book = AlertBook::new(AlertSettings::default());
    let first = Day::parse("2026-01-01").expect("a day");
    let day = |number: i32| {
        let entered_churned = Entries { count: if number == 60 { 300 } else { 100 }, at_risk: 9_000 };
        let (entered_high, returns) = (Entries::default(), Returns::default());
        (first + number, SegmentDay { segment: "all".to_owned(), has_data: true, entered_high, entered_churned, returns })
    };
    let told = (0..64).map(day).flat_map(|(day, segment)| book.close_day(day, &[segment]));
    let alerts: Vec<Alert> = told.map(|change| change.alert).collect();
    (alerts.first().expect("an alert").clone(), alerts.last().expect("an alert").clone())
}

pub(crate) fn real() {
    let (firing, resolved) = life();
    let calendar = Calendar::new("UTC").expect("a zone");
    let (hook, notifications) = webhook();
    let port = free_port();
    let url = format!("http://127.0.0.1:{port}").parse().expect("a URL");
    let pace = AlertmanagerPace {
        resend: Duration::from_secs(1),
        expiry: Duration::from_secs(4),
        first_retry: Duration::from_millis(100),
        last_retry: Duration::from_millis(500),
        ..AlertmanagerPace::default()
    };
    let sender = Alertmanager::start(&AlertmanagerSettings { url, credentials: None }, pace).expect("a thread");
    assert!(sender.tell(&firing, &calendar));
    wait_for("failure while nobody listens", || (sender.counts().failed > 0).then_some(()));
    let folder = tempfile::tempdir().expect("a folder");
    let running = Running::start(folder.path(), port, hook);
    let alert = wait_for("active alert", || active(port)?.pop());
    assert_eq!((&alert["labels"]["alertname"], &alert["labels"]["segment"]), (&"churn_spike".into(), &"all".into()));
    assert_eq!((&alert["startsAt"], &alert["annotations"]["observed"]), (&"2026-03-02T00:00:00.000Z".into(), &"300".into()));
    let told = notifications.recv_timeout(PATIENCE).expect("a notification");
    assert_eq!((&told["status"], &told["alerts"][0]["annotations"]["summary"]), (&"firing".into(), &firing.summary.clone().into()));
    // It expires four seconds after it was last told: being told again, it lives on.
    let watch = Stopwatch::start();
    wait_for("end of three expiries", || {
        assert_eq!(active(port).map(|alerts| alerts.len()), Some(1), "still active after {:?}", watch.elapsed());
        (watch.elapsed() > 3 * pace.expiry).then_some(())
    });
    assert!(sender.tell(&resolved, &calendar));
    wait_for("end of the alert", || active(port)?.is_empty().then_some(()));
    let ended =
        wait_for("notification of the end", || notifications.recv_timeout(PATIENCE).ok().filter(|told| told["status"] == "resolved"));
    assert_eq!(ended["alerts"][0]["endsAt"], "2026-03-03T00:00:00Z");
    assert_eq!(sender.counts().refused, 0);
    sender.stop(PATIENCE);
    drop(running);
}
