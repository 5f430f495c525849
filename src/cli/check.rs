//! `stickiness check`: every mistake at once.

use std::time::Duration;

use anyhow::anyhow;
use clap::Args;

use super::Failure;
use super::settings::ConfigArgument;
use crate::config::{Settings, WebhookSettings};
use crate::io::kafka::connection::Connection;
use crate::io::kafka::probe::Probe;
use crate::io::kafka::topics::{Purpose, TopicPlan, TopicState, Topics, input_warnings, output_warnings};
use crate::io::snapshots::Snapshots;
use crate::io::webhooks::secrets;
use crate::service::{connection, topic_plans};

/// How long the brokers may take.
const PATIENCE: Duration = Duration::from_secs(8);

/// Tell every mistake in the settings, with key, value and what is allowed
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  stickiness check --config stickiness.toml              the settings, then the brokers, the topics, the snapshot store and webhooks
  stickiness check --offline --config stickiness.toml    the settings alone")]
pub(super) struct CheckArguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// Check the settings alone, without asking brokers
    #[arg(long)]
    offline: bool,
}

pub(super) fn run(arguments: &CheckArguments) -> Result<(), Failure> {
    let settings = arguments.config.read()?;
    let connection = connection(&settings).map_err(|error| Failure::Usage(error.into()))?;
    // A client is made, and sends nothing that is waited for: the library knows which properties there are.
    let probe = Probe::new(&connection).map_err(|error| Failure::Usage(error.into()))?;
    eprintln!("the settings are valid");
    if arguments.offline { Ok(()) } else { online(&settings, &connection, &probe) }
}

/// What can only be known where the service is to run: secrets of webhooks, the brokers and the snapshot store.
fn online(settings: &Settings, connection: &Connection, probe: &Probe) -> Result<(), Failure> {
    let missing: Vec<String> = settings.webhooks.iter().filter_map(|webhook| Some(secrets(webhook).err()?.to_string())).collect();
    if !missing.is_empty() {
        return Err(Failure::Usage(anyhow!("{}", missing.join("\n       "))));
    }
    probe.ask(PATIENCE).map_err(Failure::running)?;
    let topics = Topics::new(connection).map_err(Failure::running)?;
    let plans = topic_plans(settings, 1);
    let names: Vec<&str> = plans.iter().map(|plan| plan.name.as_str()).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::running)?;
    let found = runtime.block_on(topics.describe(&names)).map_err(Failure::running)?;
    let Findings { mistakes, mut warnings } = judge(settings, &plans, &found);
    warnings.extend(runtime.block_on(webhook_warnings(&settings.webhooks)));
    for warning in &warnings {
        eprintln!("warning: {warning}");
    }
    let store = Snapshots::open(&settings.snapshots.url, &settings.kafka.group_id, "check", 1).map_err(Failure::running)?;
    runtime.block_on(store.any_history(0)).map_err(Failure::running)?;
    if mistakes.is_empty() {
        let count = if warnings.len() == 1 { "1 warning".to_owned() } else { format!("{} warnings", warnings.len()) };
        eprintln!("the brokers at {} answer, and so does the snapshot store; {count}", connection.bootstrap_servers());
        Ok(())
    } else {
        Err(Failure::running(anyhow!("{}", mistakes.join("\n       "))))
    }
}

/// Webhooks where nobody answers, or whose records can be read on the way. Nothing is posted.
async fn webhook_warnings(webhooks: &[WebhookSettings]) -> Vec<String> {
    let mut warnings = Vec::new();
    for WebhookSettings { name, url, timeout, .. } in webhooks {
        let url = &url.0;
        let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else { continue };
        let address = (host.trim_matches(['[', ']']), port);
        let answers = tokio::time::timeout(*timeout, tokio::net::TcpStream::connect(address)).await;
        if !answers.is_ok_and(|connected| connected.is_ok()) {
            warnings.push(format!(
                "webhook `{name}`: nobody answers at {host}:{port}; its records wait, and are tried for webhooks.{name}.retry_for"
            ));
        }
        let is_here = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
        if url.scheme() == "http" && !is_here {
            warnings.push(format!("webhook `{name}`: over http, everyone on the way can read its records; use https"));
        }
    }
    warnings
}

/// What was found: what `run` would refuse, and what it would live with.
#[derive(Default)]
struct Findings {
    mistakes: Vec<String>,
    warnings: Vec<String>,
}

fn judge(settings: &Settings, plans: &[TopicPlan], found: &[TopicState]) -> Findings {
    let mut findings = Findings::default();
    for plan in plans {
        match (found.iter().find(|state| state.name == plan.name), plan.purpose) {
            (None, Purpose::Input) => {
                findings.mistakes.push(format!("topic `{}` does not exist; create it with `stickiness topics`", plan.name));
            }
            (None, _) => findings.warnings.push(format!("topic `{}` does not exist; `run` and `stickiness topics` create it", plan.name)),
            (Some(state), Purpose::Input) => findings.warnings.extend(input_warnings(state)),
            (Some(state), _) => findings.warnings.extend(output_warnings(plan, state)),
        }
    }
    let inputs = &settings.kafka.inputs;
    let spread = |input: &String| found.iter().any(|state| state.name == *input && state.partitions > 1);
    if inputs.len() > 1 && !settings.kafka.repartition {
        findings.mistakes.push("several kafka.inputs need kafka.repartition = true".to_owned());
    } else if !settings.kafka.repartition && inputs.iter().any(spread) {
        let text = "without kafka.repartition = true, the input must be keyed by user, and merges across its partitions are dead letters";
        findings.warnings.push(text.to_owned());
    }
    findings
}
