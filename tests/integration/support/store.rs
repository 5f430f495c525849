//! A real S3 server over a directory, which can be made to fail, or to take its time.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use tokio::net::TcpListener;

const KEY: &str = "stickiness";
const SECRET: &str = "not-a-secret";

/// How the store behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    /// It does what it is asked.
    Well,
    /// It answers every request with an error.
    Fails,
    /// It takes this long for every request.
    Slow(Duration),
}

/// The server. It ends when it is dropped.
pub(crate) struct Store {
    address: SocketAddr,
    dir: tempfile::TempDir,
    mood: Arc<Mutex<Mood>>,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Store {
    /// A store with one bucket, `states`.
    pub(crate) fn start() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::create_dir(dir.path().join("states")).expect("made");
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let mood = Arc::new(Mutex::new(Mood::Well));
        runtime.spawn(serve(listener, service(dir.path()), Arc::clone(&mood)));
        Self { address, dir, mood, runtime: Some(runtime) }
    }

    pub(crate) fn set(&self, mood: Mood) {
        *self.mood.lock().expect("whole") = mood;
    }

    /// What a process must be told to use it, with `snapshots.url = "s3://states/…"`.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        let endpoint = format!("http://{}", self.address);
        [
            ("AWS_ACCESS_KEY_ID", KEY),
            ("AWS_SECRET_ACCESS_KEY", SECRET),
            ("AWS_ENDPOINT", &endpoint),
            ("AWS_ALLOW_HTTP", "true"),
            ("AWS_REGION", "us-east-1"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
    }

    /// Where the objects of the bucket are.
    pub(crate) fn bucket(&self) -> std::path::PathBuf {
        self.dir.path().join("states")
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn service(root: &Path) -> S3Service {
    let mut builder = S3ServiceBuilder::new(s3s_fs::FileSystem::new(root).expect("a directory"));
    builder.set_auth(SimpleAuth::from_single(KEY, SECRET));
    builder.build()
}

async fn serve(listener: TcpListener, service: S3Service, mood: Arc<Mutex<Mood>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (service, mood) = (service.clone(), Arc::clone(&mood));
        let answer = service_fn(move |request: Request<Incoming>| {
            let (service, mood) = (service.clone(), *mood.lock().expect("whole"));
            async move { Ok::<_, Infallible>(answer(&service, mood, request).await) }
        });
        tokio::spawn(async move { drop(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await) });
    }
}

async fn answer(service: &S3Service, mood: Mood, request: Request<Incoming>) -> Response<s3s::Body> {
    let mut broken = Response::new(s3s::Body::empty());
    *broken.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    match mood {
        Mood::Fails => return broken,
        Mood::Slow(time) => tokio::time::sleep(time).await,
        Mood::Well => {}
    }
    service.call(request.map(s3s::Body::from)).await.unwrap_or(broken)
}
