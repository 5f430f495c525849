//! A real Kafka broker: one node in a temporary directory, on free ports of the loopback interface.

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use stickiness::io::clock::Stopwatch;

/// How long a broker may take until it answers.
const START: Duration = Duration::from_secs(60);
/// Starts Java, writes its process id, and kills it as soon as standard input closes: no broker outlives its test.
const KEEPER: &str = r#"java "$@" & pid=$!; echo "$pid" > "$PID_FILE.new"; mv "$PID_FILE.new" "$PID_FILE"; cat > /dev/null; kill -9 "$pid" 2> /dev/null; wait "$pid" 2> /dev/null"#;

/// A broker that is killed when it is dropped.
pub(crate) struct Broker {
    dir: tempfile::TempDir,
    port: u16,
    /// Where no proxy is between.
    direct: u16,
    secure: Option<Secure>,
    keeper: Option<Child>,
}

impl Broker {
    /// The broker that tests share: they tell their topics and groups apart by name. It ends with the test process.
    ///
    /// `STICKINESS_TEST_LOG=debug` shows what the service logs, with `--nocapture`.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Broker> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// Formats a new storage, starts a broker on it and waits until it answers.
    pub(crate) fn start() -> Self {
        Self::start_with(None, None)
    }

    /// The same, which sends whoever comes by [`Self::port`] to another port from then on: that of a proxy.
    pub(crate) fn start_behind(proxy: u16) -> Self {
        Self::start_with(Some(proxy), None)
    }

    /// The same, with one more listener that wants TLS, and SCRAM with these credentials.
    pub(crate) fn start_secure(user: &str, password: &str) -> Self {
        let secure = Secure { port: free_port(), user: user.to_owned(), password: password.to_owned() };
        Self::start_with(None, Some(secure))
    }

    fn start_with(proxy: Option<u16>, secure: Option<Secure>) -> Self {
        if let Ok(filter) = std::env::var("STICKINESS_TEST_LOG") {
            drop(tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).try_init());
        }
        let dir = tempfile::tempdir().expect("a temporary directory");
        let ports = Ports { main: free_port(), direct: free_port(), controller: free_port() };
        let mut text = properties(dir.path(), &ports, proxy);
        if let Some(secure) = &secure {
            Secure::make_keys(dir.path());
            text = secure.extend(&text, dir.path());
        }
        fs::write(dir.path().join("server.properties"), text).expect("written");
        let mut broker = Self { dir, port: ports.main, direct: ports.direct, secure, keeper: None };
        broker.format();
        broker.launch();
        broker
    }

    /// Where clients find it, without a proxy between.
    pub(crate) fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.direct)
    }

    /// Where clients with TLS and credentials find it.
    pub(crate) fn secure_bootstrap(&self) -> String {
        format!("localhost:{}", self.secure.as_ref().expect("a secure listener").port)
    }

    /// The certificate that signs for the secure listener, as PEM.
    pub(crate) fn authority(&self) -> String {
        self.dir.path().join("broker.pem").display().to_string()
    }

    /// Where a proxy leads to.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Where it keeps the partitions of a topic.
    pub(crate) fn log_directories(&self, topic: &str) -> Vec<PathBuf> {
        let partition = |name: &str| name.strip_prefix(topic)?.strip_prefix('-')?.parse::<u32>().ok();
        let entries = fs::read_dir(self.dir.path().join("logs")).expect("listed").map(|entry| entry.expect("read"));
        entries.filter(|entry| entry.file_name().to_str().and_then(partition).is_some()).map(|entry| entry.path()).collect()
    }

    /// Ends it like a power cut.
    pub(crate) fn kill9(&mut self) {
        self.signal("-9");
        self.reap();
    }

    /// Holds it up: it answers nothing until [`Self::go_on`].
    pub(crate) fn hold(&self) {
        self.signal("-STOP");
    }

    /// Lets it go on.
    pub(crate) fn go_on(&self) {
        self.signal("-CONT");
    }

    /// Ends it in good order.
    pub(crate) fn stop(&mut self) {
        self.signal("-15");
        let pid = self.pid();
        let stopwatch = Stopwatch::start();
        while Path::new(&format!("/proc/{pid}/stat")).exists() && !is_zombie(&pid) && stopwatch.elapsed() < START {
            std::thread::sleep(Duration::from_millis(50));
        }
        self.reap();
    }

    /// Starts it again on the same port, with what it had stored.
    pub(crate) fn restart(&mut self) {
        self.reap();
        self.launch();
    }

    fn format(&self) {
        let output = Command::new("java")
            .args(Self::java_args())
            .args(["kafka.tools.StorageTool", "format", "-t", "MkU3OEVBNTcwNTJENDM2Qk", "-c"])
            .arg(self.dir.path().join("server.properties"))
            .args(self.secure.iter().flat_map(Secure::format_arguments))
            .output()
            .expect("java runs");
        assert!(output.status.success(), "storage is formatted: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn java_args() -> Vec<String> {
        let libs = libs();
        assert!(libs.join(".complete").exists(), "no broker in {}: run scripts/fetch-broker.sh", libs.display());
        let flags = ["-Xmx768m", "-Xms128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"];
        let mut args: Vec<String> = flags.iter().map(|&flag| flag.to_owned()).collect();
        args.push("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn".to_owned());
        args.extend(["-cp".to_owned(), format!("{}/*", libs.display())]);
        args
    }

    fn launch(&mut self) {
        let log = fs::File::options().create(true).append(true).open(self.dir.path().join("broker.log")).expect("a log");
        let keeper = Command::new("bash")
            .args(["-c", KEEPER, "keeper"])
            .args(Self::java_args())
            .arg("kafka.Kafka")
            .arg(self.dir.path().join("server.properties"))
            .env("PID_FILE", self.pid_file())
            .stdin(Stdio::piped())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn()
            .expect("bash runs");
        self.keeper = Some(keeper);
        self.wait_until_it_answers();
    }

    fn wait_until_it_answers(&self) {
        let consumer: BaseConsumer = ClientConfig::new().set("bootstrap.servers", self.bootstrap()).create().expect("a client");
        let stopwatch = Stopwatch::start();
        while consumer.fetch_metadata(None, Duration::from_secs(1)).is_err() {
            assert!(stopwatch.elapsed() < START, "the broker answers within {START:?}: {}", self.log());
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("broker.log")).unwrap_or_default()
    }

    fn pid_file(&self) -> PathBuf {
        self.dir.path().join("pid")
    }

    fn pid(&self) -> String {
        fs::read_to_string(self.pid_file()).unwrap_or_default().trim().to_owned()
    }

    fn signal(&self, signal: &str) {
        let pid = self.pid();
        assert!(!pid.is_empty(), "the broker runs");
        let status = Command::new("kill").args([signal, &pid]).status().expect("kill runs");
        assert!(status.success(), "the broker ran until now");
    }

    /// Closes the keeper's standard input, which kills what is left, and waits for it.
    fn reap(&mut self) {
        if let Some(mut keeper) = self.keeper.take() {
            drop(keeper.stdin.take());
            keeper.wait().expect("the keeper ends");
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.reap();
    }
}

fn is_zombie(pid: &str) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") Z "))
}

/// Where `scripts/fetch-broker.sh` puts the jars: beside the directory that this binary was built in.
fn libs() -> PathBuf {
    let binary = std::env::current_exe().expect("the path of this binary");
    let target = binary.ancestors().find(|dir| dir.join("kafka/libs").is_dir());
    target.map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target"), Path::to_path_buf).join("kafka/libs")
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port()
}

/// A listener that wants TLS and credentials.
pub(crate) struct Secure {
    port: u16,
    user: String,
    password: String,
}

impl Secure {
    /// A key with a certificate for this machine that signs itself.
    fn make_keys(dir: &Path) {
        let keystore = dir.join("broker.p12").display().to_string();
        let common = ["-alias", "broker", "-keystore", &keystore, "-storetype", "PKCS12", "-storepass", "changeit"];
        let name = ["-keyalg", "RSA", "-dname", "CN=localhost", "-ext", "SAN=dns:localhost,ip:127.0.0.1", "-validity", "2"];
        let made = Command::new("keytool").arg("-genkeypair").args(common).args(name).output().expect("keytool comes with Java");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let pem = dir.join("broker.pem");
        let told = Command::new("keytool").arg("-exportcert").args(common).args(["-rfc", "-file"]).arg(pem).output().expect("keytool");
        assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    }

    /// The broker's properties with the listener among them.
    fn extend(&self, properties: &str, dir: &Path) -> String {
        let address = format!(",SECURE://localhost:{}", self.port);
        let mut text = String::new();
        for line in properties.lines() {
            let more = match line.split_once('=') {
                Some(("listeners" | "advertised.listeners", _)) => &address,
                Some(("listener.security.protocol.map", _)) => ",SECURE:SASL_SSL",
                _ => "",
            };
            text.extend([line, more, "\n"]);
        }
        let module = "org.apache.kafka.common.security.scram.ScramLoginModule required;";
        let keystore = dir.join("broker.p12").display().to_string();
        let own = [
            ("sasl.enabled.mechanisms", "SCRAM-SHA-512"),
            ("scram-sha-512.sasl.jaas.config", module),
            ("ssl.keystore.location", &keystore),
            ("ssl.keystore.type", "PKCS12"),
            ("ssl.keystore.password", "changeit"),
        ];
        text.extend(own.iter().map(|(key, value)| format!("listener.name.secure.{key}={value}\n")));
        text
    }

    /// What makes the user known when the storage is formatted.
    fn format_arguments(&self) -> [String; 2] {
        ["--add-scram".to_owned(), format!("SCRAM-SHA-512=[name={},password={}]", self.user, self.password)]
    }
}

/// Where a broker listens.
struct Ports {
    /// For those who come through a proxy, if there is one.
    main: u16,
    direct: u16,
    controller: u16,
}

fn properties(dir: &Path, ports: &Ports, proxy: Option<u16>) -> String {
    let Ports { main, direct, controller } = ports;
    let mut text = Vec::new();
    for (key, value) in [
        ("process.roles", "broker,controller".to_owned()),
        ("node.id", "1".to_owned()),
        ("controller.quorum.voters", format!("1@127.0.0.1:{controller}")),
        ("listeners", format!("MAIN://127.0.0.1:{main},DIRECT://127.0.0.1:{direct},CONTROLLER://127.0.0.1:{controller}")),
        ("advertised.listeners", format!("MAIN://127.0.0.1:{},DIRECT://127.0.0.1:{direct}", proxy.unwrap_or(*main))),
        ("listener.security.protocol.map", "MAIN:PLAINTEXT,DIRECT:PLAINTEXT,CONTROLLER:PLAINTEXT".to_owned()),
        ("inter.broker.listener.name", "DIRECT".to_owned()),
        ("controller.listener.names", "CONTROLLER".to_owned()),
        ("log.dirs", dir.join("logs").display().to_string()),
        ("offsets.topic.replication.factor", "1".to_owned()),
        ("offsets.topic.num.partitions", "4".to_owned()),
        ("transaction.state.log.replication.factor", "1".to_owned()),
        ("transaction.state.log.min.isr", "1".to_owned()),
        ("transaction.state.log.num.partitions", "4".to_owned()),
        ("share.coordinator.state.topic.replication.factor", "1".to_owned()),
        ("share.coordinator.state.topic.min.isr", "1".to_owned()),
        ("group.initial.rebalance.delay.ms", "0".to_owned()),
        ("group.min.session.timeout.ms", "1000".to_owned()),
        ("auto.create.topics.enable", "false".to_owned()),
        ("log.cleaner.dedupe.buffer.size", "8388608".to_owned()),
    ] {
        writeln!(text, "{key}={value}").expect("memory");
    }
    String::from_utf8(text).expect("ASCII")
}
