//! Connections: how many, how slow, and how they end.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::Limits;
use super::patience::Patience;

/// Bytes of a request's head, headers included.
const HEAD_BYTES: usize = 32 * 1024;
/// Pause after a connection could not be taken, for instance because the process has no more file descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves until `shutdown`, then tells `leave`, and lets answers in progress end.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    leave: watch::Sender<bool>,
    shutdown: impl Future<Output = ()>,
) {
    let mut shutdown = pin!(shutdown);
    let leaving = leave.subscribe();
    let room = Arc::new(Semaphore::new(limits.connections));
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let accepted = async {
            let permit = Arc::clone(&room).acquire_owned().await;
            (listener.accept().await, permit)
        };
        let (accepted, permit) = tokio::select! {
            () = &mut shutdown => break,
            accepted = accepted => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let connection = connection(stream, router.clone(), limits, leaving.clone());
                connections.spawn(async move {
                    connection.await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be taken");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    drop(listener);
    leave.send_replace(true);
    let drained = tokio::time::timeout(limits.drain_time, async { while connections.join_next().await.is_some() {} });
    if drained.await.is_err() {
        tracing::warn!(connections = connections.len(), "connections cut off: their answers took too long");
    }
}

async fn connection(stream: TcpStream, router: Router, limits: Limits, mut leaving: watch::Receiver<bool>) {
    // Answers are written whole; without this option small ones may wait for an acknowledgement.
    drop(stream.set_nodelay(true));
    let io = TokioIo::new(Patience::new(stream, limits.stall_time));
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.head_time)
            .max_buf_size(HEAD_BYTES)
            .serve_connection(io, TowerToHyperService::new(router))
    );
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = told_to_leave(&mut leaving) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

async fn told_to_leave(leaving: &mut watch::Receiver<bool>) {
    drop(leaving.wait_for(|leaving| *leaving).await);
}
