//! What events cost as work grows: one measure of the work is changed at a time, all others stay as they are.

use serde_json::{Value, json};

use crate::arguments::Arguments;
use crate::broker::Broker;
use crate::events::Plan;
use crate::figures::{Figures, of_run};
use crate::service::{self, COSTS, Launch, Service, Variant};
use crate::topics;

/// A measure of the work, with the values that it takes.
struct Measure {
    name: &'static str,
    values: &'static [u32],
    apply: fn(u32, &mut Plan, &mut Variant),
}

/// Users that are drawn from where something else is changed.
const USERS: u32 = 100_000;

/// All measures. What is called usual is the first value of all but users.
const MEASURES: [Measure; 5] = [
    Measure { name: "users", values: &[10_000, 100_000, 1_000_000, 10_000_000], apply: |users, plan, _| plan.users = users },
    Measure { name: "partitions", values: &[4, 1, 16, 64], apply: |partitions, _, variant| variant.partitions = partitions.cast_signed() },
    Measure { name: "threads", values: &[1, 2], apply: |threads, _, variant| variant.threads = threads },
    Measure { name: "late-per-cent", values: &[0, 5, 20], apply: |late, plan, _| plan.late_per_cent = late },
    Measure {
        name: "breakdowns",
        values: &[0, 1, 2, 4, 8],
        apply: |breakdowns, plan, variant| (plan.breakdowns, variant.breakdowns) = (breakdowns, breakdowns),
    },
];

/// Measures all of them, and draws the plot where one is wanted.
pub(crate) fn measure(arguments: &Arguments, broker: &Broker, figures: &mut Figures) {
    let mut points = Vec::new();
    for (measure, value) in MEASURES.iter().flat_map(|measure| measure.values.iter().map(move |value| (measure, *value))) {
        if arguments.wants(&format!("costs-{}", measure.name)) {
            for run in 0..arguments.runs {
                let result = run_once(arguments, broker, measure, value, run);
                points.push(
                    json!({"measure": measure.name, "value": value, "cpu_us": result["cpu_us"], "bytes_a_user": result["bytes_a_user"]}),
                );
                figures.add("costs", &format!("{} {value:>8}", measure.name), result);
            }
        }
    }
    if let Some(path) = &arguments.plot {
        crate::plot::draw(path, &points);
    }
}

fn run_once(arguments: &Arguments, broker: &Broker, measure: &Measure, value: u32, run: u32) -> Value {
    let (mut plan, mut variant) = (topics::plan(arguments.events, USERS), COSTS);
    (measure.apply)(value, &mut plan, &mut variant);
    let bootstrap = broker.bootstrap();
    let topic = format!("costs-{}-{value}-{run}", measure.name);
    topics::create(&bootstrap, &topic, variant.partitions);
    topics::fill(&bootstrap, &topic, plan);
    let launch = Launch { binary: service::own_binary(), beside: None };
    let group = format!("group-{topic}");
    let done = Service::start(&bootstrap, &topic, variant, &group, launch).run_to_the_end();
    topics::remove(&bootstrap, &topic);
    of_run(&done, arguments.events, None)
}
