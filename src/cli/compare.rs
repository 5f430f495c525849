//! `stickiness compare`: two periods, or two arms of a campaign, beside each other.

use anyhow::anyhow;
use clap::Args;

use super::Failure;
use super::settings::{ConfigArgument, day};
use super::table::Format;
use crate::io::compare::{of_arms, of_periods};
use crate::io::files::{FileRecords, Progress};
use crate::model::compare::arms::{Arms, UNEXPOSED};
use crate::model::time::Day;
use crate::wire::compare::arms;

/// Arms that hold users out, by the names that are usual, and then those who were never exposed.
const CONTROLS: [&str; 6] = ["control", "held_out", "holdout", "hold_out", "none", UNEXPOSED];

/// Compare two periods in every metric, or two arms of a campaign: differences with intervals, sizes, and warnings where groups are not alike
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  stickiness compare --before 2026-01-05..2026-02-01 --after 2026-02-02..2026-03-01 events.ndjson\n  \
    stickiness compare --campaign spring --days 28 events.ndjson")]
pub(super) struct CompareArguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// The first period
    #[arg(long, value_name = "DAY..DAY", value_parser = period, requires = "after", required_unless_present = "campaign")]
    before: Option<(Day, Day)>,
    /// The second period
    #[arg(long, value_name = "DAY..DAY", value_parser = period, requires = "before")]
    after: Option<(Day, Day)>,
    /// A segment of [breakdowns], such as plan=pro; all users by default
    #[arg(long, value_name = "PROPERTY=VALUE", conflicts_with = "campaign")]
    segment: Option<String>,
    /// A campaign of `campaign_exposed` events, whose arms are compared
    #[arg(long, value_name = "NAME", conflicts_with = "before")]
    campaign: Option<String>,
    /// Days from each user's first exposure on
    #[arg(long, value_name = "N", default_value_t = 28, value_parser = clap::value_parser!(i32).range(1..=365))]
    days: i32,
    /// The arm that was held out; by default the one that is called so, or else who was never exposed
    #[arg(long, value_name = "ARM", requires = "campaign")]
    control: Option<String>,
    /// The arm to compare with it; by default the only other one
    #[arg(long, value_name = "ARM", requires = "campaign")]
    arm: Option<String>,
    /// One line of JSON, or tables to read
    #[arg(long, value_enum, default_value_t = Format::Json)]
    format: Format,
    /// Files of events: .csv, .ndjson, .jsonl or .json, each also .gz or .zst; `-` is standard input in `input.format`
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<String>,
}

fn period(text: &str) -> Result<(Day, Day), String> {
    let (from, through) = text.split_once("..").ok_or("must be two days with .. between, such as 2026-01-01..2026-01-28")?;
    let period = (day(from)?, day(through)?);
    if period.0 > period.1 { Err(format!("{from} is after {through}")) } else { Ok(period) }
}

pub(super) fn run(arguments: &CompareArguments) -> Result<(), Failure> {
    let settings = arguments.config.read()?;
    let inputs = super::inputs(&arguments.inputs, &settings)?;
    let decoder = settings.decoder();
    let progress = Progress::new(&inputs);
    let records = FileRecords::new(inputs, &decoder, progress);
    let compared = if let Some(campaign) = &arguments.campaign {
        let against_unexposed = arguments.control.as_ref().is_none_or(|control| control == UNEXPOSED);
        let found = of_arms(&settings, campaign, (arguments.days, against_unexposed), records).map_err(Failure::running)?;
        let (control, treated) = chosen(arguments, campaign, &found)?;
        let nobody = || Failure::Usage(anyhow!("nobody was in both arms, {control} and {treated}, for {} days", arguments.days));
        arms(&found, (&control, &treated), arguments.days).ok_or_else(nobody)?
    } else {
        let both = arguments.before.zip(arguments.after);
        let both = both.ok_or_else(|| Failure::Usage(anyhow!("two periods or a campaign are needed")))?;
        of_periods(&settings, arguments.segment.as_deref(), both, records).map_err(Failure::running)?
    };
    arguments.format.print(Some("compared"), &compared)
}

/// The arms to compare: those that were asked for, or those that leave no choice.
fn chosen(arguments: &CompareArguments, campaign: &str, found: &Arms) -> Result<(String, String), Failure> {
    let exposed: Vec<&String> = found.users.keys().filter(|arm| *arm != UNEXPOSED).collect();
    let shown = || exposed.iter().map(|arm| arm.as_str()).collect::<Vec<_>>().join(", ");
    if exposed.is_empty() {
        let finished = if found.unfinished > 0 { " whose days are over" } else { "" };
        return Err(Failure::Usage(anyhow!("no `campaign_exposed` event names the campaign {campaign:?}{finished}")));
    }
    let known = |arm: &String| found.users.contains_key(arm).then(|| arm.clone());
    let unknown = |arm: &String| Failure::Usage(anyhow!("the campaign has no arm {arm:?} with users; it has {}", shown()));
    let control = match &arguments.control {
        Some(arm) => known(arm).ok_or_else(|| unknown(arm))?,
        None => CONTROLS
            .iter()
            .find_map(|arm| known(&(*arm).to_owned()))
            .ok_or_else(|| Failure::Usage(anyhow!("name the held-out arm with --control: {}", shown())))?,
    };
    let others: Vec<&&String> = exposed.iter().filter(|arm| ***arm != control).collect();
    let treated = match (&arguments.arm, &others[..]) {
        (Some(arm), _) => known(arm).ok_or_else(|| unknown(arm))?,
        (None, [only]) => (**only).clone(),
        (None, _) => return Err(Failure::Usage(anyhow!("name the arm to compare with {control} by --arm: {}", shown()))),
    };
    Ok((control, treated))
}
