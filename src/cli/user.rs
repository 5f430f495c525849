//! `stickiness user`: a profile from a running service.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use clap::Args;
use serde_json::Value;

use super::settings::ConfigArgument;
use super::{Failure, print};
use crate::config::Secret;

/// How long the service may take to be reached, and to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Print a user's profile as JSON, or in words what its churn risk is made of, asked of a running service
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  stickiness user --config stickiness.toml user-1
  stickiness user --address 127.0.0.1:8080 --explain user-1")]
pub(super) struct UserArguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// Where a process of the service listens; by default `http.listen` of the settings, whose `http.token` is sent
    #[arg(long, value_name = "ADDRESS")]
    address: Option<SocketAddr>,
    /// Tell the churn risk in words instead: the level, why, and what would raise or lower it
    #[arg(long)]
    explain: bool,
    /// Tell in the profile where the user stands among all others: recency, frequency and money, times of decisions, the next category
    #[arg(long, conflicts_with = "explain")]
    ranks: bool,
    /// The user id
    #[arg(value_name = "ID")]
    id: String,
}

pub(super) fn run(arguments: &UserArguments) -> Result<(), Failure> {
    let settings = arguments.config.read()?;
    let address = reachable(arguments.address.unwrap_or(settings.http.listen));
    if address.port() == 0 {
        return Err(Failure::Usage(anyhow!("http.listen has port 0, which is another at every start: say --address")));
    }
    let query = if arguments.ranks { "?ranks=true" } else { "" };
    let answer = ask(address, (&arguments.id, query), settings.http.token.as_ref())
        .map_err(|error| anyhow!("no answer from a service at {address}: {error:#}\n  start one with `stickiness run`, or say with --address where it listens"))
        .map_err(Failure::Running)?;
    match answer {
        Answer { status: 200, body } if arguments.explain => {
            let told = serde_json::from_str(&body).context("the service's answer is no JSON").map_err(Failure::Running)?;
            print(&explained(&told))
        }
        Answer { status: 200, body } => print(&body),
        Answer { status: 404, .. } => Err(Failure::Running(anyhow!("the service knows no user `{}`", arguments.id))),
        Answer { status, body } => {
            let said = serde_json::from_str::<Value>(&body).ok().and_then(|body| Some(body.get("error")?.as_str()?.to_owned()));
            Err(Failure::Running(anyhow!("the service at {address} answers {status}: {}", said.unwrap_or(body))))
        }
    }
}

/// An address that is listened on as one that can be asked: all interfaces means this machine.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        IpAddr::V4(_) | IpAddr::V6(_) => {}
    }
    address
}

/// What the service said.
struct Answer {
    status: u16,
    body: String,
}

/// One request over a connection of its own, which the service closes after its answer.
fn ask(address: SocketAddr, (id, query): (&str, &str), token: Option<&Secret>) -> anyhow::Result<Answer> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let authorization = token.map(|token| format!("Authorization: Bearer {}\r\n", token.reveal())).unwrap_or_default();
    let path = percent_encoded(id);
    write!(stream, "GET /v1/users/{path}{query} HTTP/1.1\r\nHost: {address}\r\n{authorization}Connection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    parse(&text).ok_or_else(|| anyhow!("what answers does not speak HTTP/1.1"))
}

/// Status and body of an answer whose body is not chunked.
fn parse(text: &str) -> Option<Answer> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    Some(Answer { status, body: body.to_owned() })
}

/// The explanation in the answer about a user as lines of text.
fn explained(told: &Value) -> String {
    // Ids are anybody's: no sign of theirs shall move the cursor or begin a line.
    let plain = |sign: char| if sign.is_control() { sign.escape_default().to_string() } else { sign.to_string() };
    let text = |value: &Value| value.as_str().unwrap_or_default().chars().map(plain).collect::<String>();
    let mut lines = vec![text(&told["user_id"])];
    for (process, told) in told["explain"].as_object().into_iter().flatten() {
        if told.is_null() {
            lines.push(format!("{process}: no level, there is no day of it"));
            continue;
        }
        let (level, risk, horizon) = (text(&told["level"]), told["risk"].as_f64().unwrap_or_default(), &told["horizon_days"]);
        lines.push(format!("{process}: {level} on {}, risk {risk:.2} of no day within {horizon} days", text(&told["as_of"])));
        for (heading, list) in [("why", "reasons"), ("raises it", "raises"), ("lowers it", "lowers")] {
            let words = told[list].as_array().into_iter().flatten();
            lines.extend(words.map(|word| format!("  {heading}: {}", text(word))));
        }
        if let (Some(level), Some(day)) = (told["next"]["level"].as_str(), told["next"]["day"].as_str()) {
            lines.push(format!("  next: {level} on {day}"));
        }
        lines.push(format!("  model: {}", text(&told["model_id"])));
    }
    lines.join("\n")
}

/// An id as one segment of a path.
fn percent_encoded(id: &str) -> String {
    id.bytes().fold(String::with_capacity(id.len()), |mut path, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            path.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(path, "%{byte:02X}");
        }
        path
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_one_segment_whatever_is_in_it() {
        assert_eq!(percent_encoded("user-1"), "user-1");
        assert_eq!(percent_encoded("a/b?c=ü"), "a%2Fb%3Fc%3D%C3%BC");
    }

    #[test]
    fn an_explanation_is_told_in_lines() {
        let activity = serde_json::json!({
            "as_of": "2026-03-05", "level": "medium", "risk": 0.634, "horizon_days": 30, "reasons": ["seen on one day only"],
            "raises": ["2 more silent days reach high"], "lowers": ["activity tomorrow gives 0.31, low"],
            "next": {"level": "high", "day": "2026-03-07"}, "model_id": "m",
        });
        let told = serde_json::json!({"user_id": "a", "explain": {"activity": activity, "purchase": null}});
        let lines = [
            "a",
            "activity: medium on 2026-03-05, risk 0.63 of no day within 30 days",
            "  why: seen on one day only",
            "  raises it: 2 more silent days reach high",
            "  lowers it: activity tomorrow gives 0.31, low",
            "  next: high on 2026-03-07",
            "  model: m",
            "purchase: no level, there is no day of it",
        ];
        assert_eq!(explained(&told), lines.join("\n"));
    }

    #[test]
    fn an_answer_is_taken_apart() {
        let answer = parse("HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\n{}").expect("an answer");
        assert_eq!((answer.status, answer.body.as_str()), (404, "{}"));
        assert!(parse("SSH-2.0-OpenSSH\r\n").is_none());
    }

    #[test]
    fn all_interfaces_are_asked_on_this_machine() {
        assert_eq!(reachable("0.0.0.0:80".parse().expect("valid")).to_string(), "127.0.0.1:80");
        assert_eq!(reachable("[::]:80".parse().expect("valid")).to_string(), "[::1]:80");
        assert_eq!(reachable("10.0.0.1:80".parse().expect("valid")).to_string(), "10.0.0.1:80");
    }
}
