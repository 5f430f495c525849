//! `stickiness insights`.

use serde_json::Value;

use crate::golden::run;

#[test]
fn insights_of_a_small_log() {
    let directory = tempfile::tempdir().expect("a folder");
    let path = directory.path().join("events.ndjson");
    let mut lines: Vec<String> = Vec::new();
    let mut add = |user: &str, kind: &str, day: &str, properties: &str| {
        let id = lines.len();
        lines.push(format!(
            "{{\"event_id\":\"{id}\",\"user_id\":\"{user}\",\"type\":\"{kind}\",\"timestamp\":\"{day}T12:00:00Z\",\"properties\":{properties}}}"
        ));
    };
    let line = |category: &str| format!("{{\"amount\":10,\"lines\":[{{\"category\":\"{category}\"}}]}}");
    for (user, days) in [("a", &["01-01", "01-11", "01-31"][..]), ("b", &["01-01", "01-21"]), ("c", &["01-01"])] {
        for (day, category) in days.iter().zip(["tea", "cake", "tea"]) {
            add(user, "order_placed", &format!("2026-{day}"), &line(category));
        }
    }
    add("a", "referral_sent", "2026-01-02", "{}");
    add("a", "referral_converted", "2026-01-03", "{}");
    add("b", "cost_booked", "2026-01-03", "{\"kind\":\"acquire\",\"amount\":12}");
    add("b", "cost_booked", "2026-01-03", "{\"kind\":\"retain\",\"amount\":2}");
    add("b", "complaint_opened", "2026-01-04", "{\"complaint_id\":\"x\",\"category\":\"late\"}");
    add("b", "contact_made", "2026-01-05", "{\"direction\":\"outbound\",\"kind\":\"support\"}");
    add("b", "complaint_resolved", "2026-01-06", "{\"complaint_id\":\"x\",\"remedy\":\"gift\",\"satisfied\":true}");
    add("c", "competitor_purchase", "2026-01-12", "{\"competitor\":\"other\"}");
    add("c", "social_interaction", "2026-02-15", "{\"peer\":\"b\"}");
    add("c", "customer_lost", "2026-01-10", "{\"reason\":\"price\",\"competitor\":\"rival\",\"recoverable\":true}");
    add("c", "activity", "2026-02-01", "{\"channel\":\"app\"}");
    std::fs::write(&path, lines.join("\n")).expect("written");
    let path = path.to_str().expect("UTF-8");
    let done = run(&["insights", "--until", "2026-02-20", path]);
    assert_eq!(done.status, 0, "{}", done.stderr);
    let insights: Value = serde_json::from_str(&done.stdout).expect("one object");
    assert_eq!(insights["schema"], "stickiness.insights.v1");
    let table = run(&["insights", "--until", "2026-02-20", "--format", "table", path]).stdout;
    for line in ["as of 2026-02-20", "## funnel", "## recovery, remedies", "from   to     count", "rival  other      1"] {
        assert!(table.lines().any(|shown| shown == line), "no `{line}` in\n{table}");
    }
    let table = run(&["insights", "--until", "2026-02-20", "--format", "table", "--name", "pareto", path]).stdout;
    assert!(table.starts_with("## pareto\n") && !table.contains("## funnel"), "{table}");
    let first = &insights["funnel"][0];
    assert_eq!((&first["users"], &first["converted"], &first["median_days"]), (&3.into(), &2.into(), &20.into()));
    assert_eq!(insights["recovery"]["quick"]["part"], 1, "resolved within two days, and ordered again within thirty");
    assert_eq!(insights["departures"]["reasons"]["price"], 1);
    assert_eq!(insights["departures"]["won_back"]["share"], 1.0);
    recoverable_departures_and_buyers_of_several_categories(&insights);
    assert_eq!(insights["virality"]["k_factor"], 1.0 / 3.0);
    assert_eq!(insights["economics"]["acquire_over_retain"], 4.0, "12 over three buyers, 2 over two who came again, so 4 over 1");
    assert_eq!(insights["cross_sell"]["pairs"][0]["lift"], 1.0, "all three bought tea, two of them cake");
    assert_eq!(insights["pareto"]["curve"][9]["revenue_share"], 1.0);
    assert_eq!(insights["channels"][0]["users"], 1);
    assert_eq!(insights["departures"]["flows"], serde_json::json!([{ "from": "rival", "to": "other", "count": 1 }]));
    assert_eq!(insights["virality"]["interactions_per_dau"], 1.0 / 3.0, "one, and three active days since January 22");
    assert_eq!(insights["recovery"]["remedies"][0]["satisfied"]["share"], 1.0);
    let complaints = &insights["complaints"];
    assert_eq!((&complaints["first_response"]["median_hours"], &complaints["categories"][0]["complaints"]), (&24.into(), &1.into()));
    let payback = &insights["economics"]["payback"];
    assert_eq!(
        (&payback["buyers"], &payback["unknown"], &payback["median_days"]),
        (&0.into(), &1.into(), &Value::Null),
        "what is left of 10 is unknown where no cost is told"
    );
    assert_eq!(insights["pareto"]["profit"]["top20_profit_share"], Value::Null, "no order tells its cost");
    let alone = run(&["insights", "--until", "2026-02-20", "--name", "funnel", path]);
    assert_eq!(serde_json::from_str::<Value>(&alone.stdout).expect("a list"), insights["funnel"]);
    assert_eq!(run(&["insights", "--name", "weather", path]).status, 2);
}

fn recoverable_departures_and_buyers_of_several_categories(insights: &Value) {
    let recoverable = |at: usize| {
        let alike = &insights["departures"]["recoverable"][at];
        (alike["recoverable"].clone(), alike["departures"].clone(), alike["won_back"]["share"].clone())
    };
    assert_eq!(recoverable(0), ("yes".into(), 1.into(), 1.0.into()), "the one departure said so, and its user came back");
    assert_eq!((recoverable(1), recoverable(2)), (("no".into(), 0.into(), Value::Null), ("unknown".into(), 0.into(), Value::Null)));
    let rate = &insights["cross_sell"]["rate"];
    assert_eq!((&rate["part"], &rate["users"]), (&2.into(), &3.into()), "a and b bought tea and cake, c tea alone");
}

/// The insights of events of 2026, each a user, a type, a time and properties.
fn insights_of(events: &[(&str, &str, &str, &str)], until: &str) -> Value {
    let directory = tempfile::tempdir().expect("a folder");
    let path = directory.path().join("events.ndjson");
    let line = |(id, (user, kind, time, properties)): (usize, &(&str, &str, &str, &str))| {
        format!(
            "{{\"event_id\":\"{id}\",\"user_id\":\"{user}\",\"type\":\"{kind}\",\"timestamp\":\"2026-{time}Z\",\"properties\":{properties}}}\n"
        )
    };
    std::fs::write(&path, events.iter().enumerate().map(line).collect::<String>()).expect("written");
    let done = run(&["insights", "--until", until, path.to_str().expect("UTF-8")]);
    serde_json::from_str(&done.stdout).expect("one object")
}

#[test]
fn money_comes_back_when_all_orders_until_then_tell_their_cost() {
    let order = |user, day, properties| (user, "order_placed", day, properties);
    let acquired = |user| (user, "cost_booked", "01-01T12:00:00", "{\"kind\":\"acquire\",\"amount\":12}");
    let (first, second, third) = ("01-01T12:00:00", "01-21T12:00:00", "01-31T12:00:00");
    let (told, untold) = ("{\"amount\":10,\"cost\":4}", "{\"amount\":10}");
    let insights = insights_of(
        &[
            acquired("back before one that does not"),
            order("back before one that does not", first, told),
            order("back before one that does not", second, told),
            order("back before one that does not", third, untold),
            acquired("unknown"),
            order("unknown", first, told),
            order("unknown", second, untold),
            order("unknown", third, told),
            acquired("waits"),
            order("waits", first, told),
        ],
        "2026-02-20",
    );
    let payback = &insights["economics"]["payback"];
    assert_eq!((&payback["buyers"], &payback["paid_back"], &payback["median_days"]), (&2.into(), &1.into(), &20.into()), "{payback}");
    assert_eq!(payback["unknown"], 1, "an order before the cost came back does not tell its own");
}

#[test]
fn campaigns_of_every_week_are_told_and_answers_are_held_to_their_hours() {
    let exposed = |time, arm| ("often", "campaign_exposed", time, arm);
    let (card, control) = ("{\"campaign\":\"weekly\",\"arm\":\"card\"}", "{\"campaign\":\"weekly\",\"arm\":\"control\"}");
    let complaint = |time, id| ("often", "complaint_opened", time, id);
    let insights = insights_of(
        &[
            exposed("01-01T12:00:00", control),
            exposed("02-01T12:00:00", card),
            exposed("03-01T12:00:00", card),
            exposed("05-20T12:00:00", control),
            ("held out", "campaign_exposed", "03-01T12:00:00", control),
            ("both", "campaign_exposed", "03-01T12:00:00", card),
            ("both", "campaign_exposed", "03-02T12:00:00", control),
            ("too early", "campaign_exposed", "01-01T12:00:00", card),
            ("often", "order_placed", "02-10T12:00:00", "{\"amount\":10}"),
            ("often", "order_placed", "03-10T12:00:00", "{\"amount\":10}"),
            complaint("03-01T12:00:00", "{\"complaint_id\":\"a\"}"),
            ("often", "complaint_resolved", "03-02T12:59:24", "{\"complaint_id\":\"a\"}"),
            complaint("03-10T12:00:00", "{\"complaint_id\":\"b\"}"),
            ("often", "complaint_resolved", "04-09T12:30:00", "{\"complaint_id\":\"b\"}"),
        ],
        "2026-06-01",
    );
    let weekly = &insights["campaigns"][0];
    let side = |name: &str| (&weekly[name]["users"], &weekly[name]["orders"]);
    assert_eq!(
        (side("exposed"), side("held_out")),
        ((&1.into(), &1.into()), (&1.into(), &0.into())),
        "of the first within 30 to 120 days: {weekly}"
    );
    let answers = &insights["complaints"]["first_response"];
    assert_eq!((&answers["complaints"], &answers["answered"]), (&2.into(), &1.into()), "the other took half an hour more than 720");
    assert_eq!((&answers["within_24h"], &answers["within_72h"]), (&0.0.into(), &0.5.into()), "after 24.99 hours: {answers}");
}

#[test]
fn names_beyond_the_limit_are_left_out_and_it_is_said() {
    let directory = tempfile::tempdir().expect("a folder");
    let path = directory.path().join("events.ndjson");
    let line = |number: usize| {
        format!(
            "{{\"event_id\":\"{number}\",\"user_id\":\"a\",\"type\":\"customer_lost\",\"timestamp\":\"2026-01-01T00:00:00Z\",\"properties\":{{\"reason\":\"r{number:05}\"}}}}\n"
        )
    };
    std::fs::write(&path, (0..1_500).map(line).collect::<String>()).expect("written");
    let path = path.to_str().expect("UTF-8");
    let insights: Value = serde_json::from_str(&run(&["insights", path]).stdout).expect("one object");
    assert_eq!(insights["left_out"], serde_json::json!({ "departures.reasons": 500 }));
    let reasons = insights["departures"]["reasons"].as_object().expect("counts by name");
    assert!(reasons.len() == 1_000 && reasons.contains_key("r00999") && !reasons.contains_key("r01000"), "of equals the first by name");
    let table = run(&["insights", "--format", "table", path]).stdout;
    assert!(table.contains("## left_out\ndepartures.reasons  500\n"), "{table}");
    let alone = run(&["insights", "--name", "departures", path]);
    assert!(alone.stderr.contains("departures.reasons: 500 are left out"), "{}", alone.stderr);
}

#[test]
fn insights_of_orders_and_campaigns() {
    let directory = tempfile::tempdir().expect("a folder");
    let path = directory.path().join("events.ndjson");
    let mut lines: Vec<String> = Vec::new();
    let mut add = |user: &str, kind: &str, day: &str, properties: &str| {
        let id = lines.len();
        lines.push(format!("{{\"event_id\":\"{id}\",\"user_id\":\"{user}\",\"type\":\"{kind}\",\"timestamp\":\"2026-{day}T12:00:00Z\",\"properties\":{properties}}}"));
    };
    for user in ["a", "b", "c", "d", "e"] {
        add(user, "campaign_exposed", "01-01", "{\"campaign\":\"spring\",\"arm\":\"card\"}");
        add(user, "order_placed", "01-05", "{\"amount\":10,\"cost\":4,\"intermediary\":\"agent\",\"wait_s\":60,\"decision_s\":600}");
        add(user, "reward_redeemed", "01-06", "{\"amount\":2}");
    }
    for user in ["v", "w", "x", "y", "z"] {
        add(user, "campaign_exposed", "01-01", "{\"campaign\":\"spring\",\"arm\":\"control\"}");
    }
    add("a", "complaint_opened", "01-07", "{}");
    std::fs::write(&path, lines.join("\n")).expect("written");
    let done = run(&["insights", "--until", "2026-02-10", path.to_str().expect("UTF-8")]);
    let insights: Value = serde_json::from_str(&done.stdout).expect("one object");
    let agent = &insights["intermediaries"][0];
    assert_eq!(
        (&agent["intermediary"], &agent["users"], &agent["margin"], &agent["complaints"]),
        (&"agent".into(), &5.into(), &30.0.into(), &1.into())
    );
    assert_eq!(insights["campaigns"][0]["incremental_orders_per_reward_cost"], 0.5, "one order more for a reward of 2");
    assert_eq!(insights["decisions"]["wait_s"]["buyers"], 5);
    assert_eq!(insights["pareto"]["profit"]["profit"], 30.0);
    let of_user = |id: &str| run(&["insights", "--until", "2026-02-10", "--user", id, path.to_str().expect("UTF-8")]).stdout;
    let ranked: Value = serde_json::from_str(&of_user("a")).expect("one object");
    assert_eq!((&ranked["user_id"], &ranked["ranks"]["rfm"]["buyers"]), (&"a".into(), &5.into()));
    assert_eq!(ranked["ranks"]["decision"]["longer_share"], 0.5, "all five took as long");
    let nobody = run(&["insights", "--until", "2026-02-10", "--user", "no\u{1b}[2Jbody", path.to_str().expect("UTF-8")]);
    assert_eq!((nobody.status, nobody.stdout.as_str()), (1, ""));
    assert!(nobody.stderr.contains("the files know no user `no\\u{1b}[2Jbody`"), "{}", nobody.stderr);
}
