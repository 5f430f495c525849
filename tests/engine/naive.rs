//! The contract recomputed from the set of events, day by day, without any of the engine's shortcuts.

mod handling;
mod insights;
mod loyalty;
mod rules;
mod said;
mod trade;
mod worth;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use stickiness::engine::settings::EngineSettings;
use stickiness::model::churn::{History, ProcessKind};
use stickiness::model::event::{Event, EventType, Facts, OrderFacts};
use stickiness::model::spend::Spend;
use stickiness::model::time::{Calendar, Day, EventTime};

pub(crate) struct Naive<'a> {
    pub(crate) settings: &'a EngineSettings,
    calendar: Calendar,
    events: Vec<Event<'static>>,
}

pub(crate) type Users<'a> = BTreeMap<String, Vec<&'a Event<'static>>>;

struct Ordered<'a> {
    time: EventTime,
    day: Day,
    event_id: String,
    facts: &'a OrderFacts<'static>,
    segments: Vec<String>,
    net: i128,
}

impl<'a> Naive<'a> {
    /// `events` may hold identical copies.
    pub(crate) fn new(settings: &'a EngineSettings, events: &[Event<'static>]) -> Self {
        let mut distinct: Vec<Event<'static>> = Vec::new();
        for event in events {
            if !distinct.contains(event) {
                distinct.push(event.clone());
            }
        }
        Self { settings, calendar: Calendar::new(&settings.time_zone).expect("a zone"), events: distinct }
    }

    pub(crate) fn day(&self, event: &Event<'_>) -> Day {
        self.calendar.day_of(event.time)
    }

    /// The events of each user, ids joined by the merges that restate `day`; `None` joins all.
    pub(crate) fn users(&self, day: Option<Day>) -> Users<'_> {
        let mut merges: Vec<(EventTime, String, String)> = Vec::new();
        for event in &self.events {
            if let Facts::MergedInto(into) = &event.facts {
                let from = self.day(event) - i32::from(self.settings.late_horizon_days);
                if day.is_none_or(|day| from <= day) {
                    merges.push((event.time, event.user_id.to_string(), into.to_string()));
                }
            }
        }
        merges.sort();
        let mut leads: BTreeMap<String, String> = BTreeMap::new();
        let way = |leads: &BTreeMap<String, String>, id: &str| {
            let mut way = vec![id.to_owned()];
            while let Some(next) = leads.get(way.last().expect("one")) {
                way.push(next.clone());
            }
            way
        };
        for (_, from, into) in merges {
            let (a, b) = (way(&leads, &from), way(&leads, &into));
            let (a_end, b_end) = (a.last().expect("one").clone(), b.last().expect("one").clone());
            if a_end != b_end {
                leads.insert(a_end, into);
            } else if from != into {
                let smallest = b.iter().min().expect("one").clone();
                leads.remove(&smallest);
                for id in b.into_iter().filter(|id| *id != smallest) {
                    leads.insert(id, smallest.clone());
                }
            }
        }
        let mut users: Users<'_> = BTreeMap::new();
        for event in &self.events {
            users.entry(way(&leads, &event.user_id).pop().expect("one")).or_default().push(event);
            if let Facts::MergedInto(into) = &event.facts {
                users.entry(way(&leads, into).pop().expect("one")).or_default();
            }
        }
        users
    }

    /// The distinct categories that each user bought.
    pub(crate) fn categories(&self) -> BTreeMap<String, BTreeSet<String>> {
        let of = |(id, events): (&String, &Vec<&Event<'static>>)| {
            let orders = self.orders(events);
            (id.clone(), orders.iter().flat_map(|order| &order.facts.categories).map(ToString::to_string).collect())
        };
        self.users(None).iter().map(of).collect()
    }

    /// Whether anybody was active on a day.
    pub(crate) fn anybody_on(&self, day: Day) -> bool {
        self.events.iter().any(|event| event.kind.is_activity() && self.day(event) == day)
    }

    pub(crate) fn segments(&self, event: &Event<'_>) -> Vec<String> {
        event
            .breakdowns
            .iter()
            .filter_map(|(index, value)| Some(format!("{}={value}", self.settings.breakdowns.get(usize::from(*index))?.property)))
            .collect()
    }

    fn in_segment(&self, event: &Event<'_>, segment: &str) -> bool {
        segment == "all" || self.segments(event).iter().any(|name| name == segment)
    }

    fn active_days(&self, events: &[&Event<'static>], segment: &str) -> BTreeSet<i32> {
        let active = events.iter().filter(|event| event.kind.is_activity() && self.in_segment(event, segment));
        active.map(|event| self.day(event).number()).collect()
    }

    fn orders<'b>(&self, events: &[&'b Event<'static>]) -> Vec<Ordered<'b>> {
        let mut standing: BTreeMap<String, Ordered<'b>> = BTreeMap::new();
        for (number, event) in events.iter().enumerate() {
            let Facts::Order(facts) = &event.facts else { continue };
            let key = match (&*facts.order_id, &*event.event_id) {
                ("", "") => format!("alone {number}"),
                ("", id) => format!("event {id}"),
                (id, _) => format!("order {id}"),
            };
            let order = Ordered {
                time: event.time,
                day: self.day(event),
                event_id: event.event_id.to_string(),
                facts,
                segments: self.segments(event),
                net: facts.amount.millionths(),
            };
            let rank = |order: &Ordered<'_>| (order.time, order.event_id.clone(), order.facts.amount);
            if standing.get(&key).is_none_or(|known| rank(&order) < rank(known)) {
                standing.insert(key, order);
            }
        }
        standing.retain(|_, order| {
            let matching = events.iter().filter_map(|event| match &event.facts {
                Facts::Return(facts) if !order.facts.order_id.is_empty() && facts.order_id == order.facts.order_id => Some((event, facts)),
                _ => None,
            });
            let limit = i32::from(self.settings.return_days);
            let matching: Vec<_> =
                matching.filter(|(event, _)| event.time >= order.time && self.day(event).days_since(order.day) <= limit).collect();
            let sum: i128 = matching.iter().filter_map(|(_, facts)| facts.amount).map(stickiness::model::money::Money::millionths).sum();
            let whole = matching.iter().any(|(_, facts)| facts.amount.is_none());
            order.net -= sum;
            !(whole || sum > 0 && sum >= order.facts.amount.millionths())
        });
        let mut orders: Vec<Ordered<'b>> = standing.into_values().collect();
        orders.sort_by_key(|order| order.time);
        orders
    }

    /// (opening day, resolution day, segments) of each complaint.
    fn complaints(&self, events: &[&Event<'static>]) -> Vec<(Day, Option<Day>, Vec<String>)> {
        let day = |event: &Event<'static>| self.day(event);
        self.complaint_events(events).into_iter().map(|(opened, end)| (day(opened), end.map(day), self.segments(opened))).collect()
    }

    /// The opening and the resolution of each complaint.
    fn complaint_events<'b>(&self, events: &[&'b Event<'static>]) -> Vec<(&'b Event<'static>, Option<&'b Event<'static>>)> {
        type Both<'b> = (Vec<&'b Event<'static>>, Vec<&'b Event<'static>>);
        let mut by_id: BTreeMap<String, Both<'b>> = BTreeMap::new();
        for event in events {
            let Facts::Complaint(facts) = &event.facts else { continue };
            let known = by_id.entry(facts.complaint_id.to_string()).or_default();
            if event.kind == EventType::ComplaintOpened { known.0.push(event) } else { known.1.push(event) }
        }
        let mut all = Vec::new();
        for (id, (mut opened, mut resolved)) in by_id {
            opened.sort_by_key(|event| (event.time, self.segments(event)));
            resolved.sort_by_key(|event| event.time);
            if !id.is_empty() {
                let Some(first) = opened.first() else { continue };
                all.push((*first, resolved.iter().find(|end| end.time > first.time).copied()));
                continue;
            }
            // A resolution at the instant of an opening is before it.
            let mut moments: Vec<&Event<'static>> = opened.into_iter().chain(resolved).collect();
            moments.sort_by_key(|event| (event.time, event.kind == EventType::ComplaintOpened));
            let mut open = std::collections::VecDeque::new();
            for event in moments {
                if event.kind == EventType::ComplaintOpened {
                    open.push_back(event);
                } else if let Some(opened) = open.pop_front() {
                    all.push((opened, Some(event)));
                }
            }
            all.extend(open.into_iter().map(|opened| (opened, None)));
        }
        all
    }

    /// Every record from the first active day to `last`.
    pub(crate) fn records(&self, last: Day) -> BTreeMap<(String, Day), Map<String, Value>> {
        let active = self.events.iter().filter(|event| event.kind.is_activity());
        let Some(first) = active.map(|event| self.day(event)).min() else { return BTreeMap::new() };
        let mut segments: BTreeSet<String> = self.events.iter().flat_map(|event| self.segments(event)).collect();
        segments.insert("all".to_owned());
        let mut records = BTreeMap::new();
        for number in first.number()..=last.number() {
            let day = Day::from_number(number);
            let users = self.users(Some(day));
            for segment in &segments {
                if let Some(record) = self.record(&users, segment, number) {
                    records.insert((segment.clone(), day), record);
                }
            }
        }
        records
    }

    fn record(&self, users: &Users<'_>, segment: &str, day: i32) -> Option<Map<String, Value>> {
        let mut sums: BTreeMap<String, i128> = BTreeMap::new();
        let mut add = |name: &str, amount: i128| *sums.entry(name.to_owned()).or_default() += amount;
        let mut histogram = vec![0_i64; 30];
        let mut retention = [(1, 0, 0), (3, 0, 0), (7, 0, 0), (14, 0, 0), (30, 0, 0)];
        let mut anyone = false;
        for events in users.values() {
            let days = self.active_days(events, segment);
            let in_days = |from: i32, to: i32| days.range(from..=to).count();
            anyone |= in_days(day - 59, day) > 0;
            for length in [1, 7, 30] {
                let (w, v) = (in_days(day - length + 1, day) > 0, in_days(day - 2 * length + 1, day - length) > 0);
                let new = days.first().is_some_and(|first| (day - length + 1..=day).contains(first));
                add(&format!("active{length}"), w.into());
                add(&format!("new_{length}d"), new.into());
                add(&format!("retained_{length}d"), (v && w).into());
                add(&format!("resurrected_{length}d"), (w && !v && !new).into());
                add(&format!("dormant_{length}d"), (v && !w).into());
            }
            add("custom", (in_days(day - i32::from(self.settings.mau_days) + 1, day) > 0).into());
            if let Some(count) = in_days(day - 29, day).checked_sub(1) {
                histogram[count] += 1;
            }
            for (after, cohort, returned) in &mut retention {
                if days.first() == Some(&(day - *after)) {
                    *cohort += 1;
                    *returned += i32::from(days.contains(&day));
                }
            }
            let orders = self.orders(events);
            let orders: Vec<_> =
                orders.iter().filter(|order| segment == "all" || order.segments.iter().any(|name| name == segment)).collect();
            for order in orders.iter().filter(|order| order.day.number() == day) {
                add("orders", 1);
                add("revenue", order.net);
            }
            add("new_buyers", orders.first().is_some_and(|order| order.day.number() == day).into());
            let order_days: BTreeSet<i32> =
                orders.iter().map(|order| order.day.number()).filter(|at| (day - 29..=day).contains(at)).collect();
            add("buyers_30d", (!order_days.is_empty()).into());
            add("repeat_buyers_30d", (order_days.len() >= 2).into());
            let complaints = self.complaints(events);
            let complaints: Vec<_> =
                complaints.iter().filter(|(_, _, names)| segment == "all" || names.iter().any(|name| name == segment)).collect();
            add("complaints", complaints.iter().filter(|(opened, _, _)| opened.number() == day).count() as i128);
            let open =
                |(opened, end, _): &&&(Day, Option<Day>, Vec<String>)| opened.number() <= day && end.is_none_or(|end| end.number() > day);
            add("complaints_open", complaints.iter().filter(open).count() as i128);
            add("complainers_30d", complaints.iter().any(|(opened, _, _)| (day - 29..=day).contains(&opened.number())).into());
            let answers = events.iter().filter_map(|event| match &event.facts {
                Facts::Survey(facts) if facts.is_own() => {
                    facts.recommend.map(|score| (event.time, event.event_id.to_string(), score, self.day(event).number()))
                }
                _ => None,
            });
            let last = answers.filter(|(_, _, _, at)| (day - 29..=day).contains(at)).max();
            add("promoters_30d", last.as_ref().is_some_and(|last| last.2 >= 9).into());
            add("passives_30d", last.as_ref().is_some_and(|last| (7..=8).contains(&last.2)).into());
            add("detractors_30d", last.as_ref().is_some_and(|last| last.2 <= 6).into());
        }
        if segment != "all" && !anyone {
            return None;
        }
        Some(self.to_record(&sums, &histogram, &retention, segment))
    }

    fn to_record(
        &self,
        sums: &BTreeMap<String, i128>,
        histogram: &[i64],
        retention: &[(i32, i32, i32)],
        segment: &str,
    ) -> Map<String, Value> {
        let get = |name: &str| i64::try_from(sums.get(name).copied().unwrap_or_default()).expect("small");
        let ratio = |a: i64, b: i64| if b == 0 { Value::Null } else { json!(a as f64 / b as f64) };
        let mut record = Map::new();
        let mut put = |name: &str, value: Value| record.insert(name.to_owned(), value);
        let (dau, wau, mau) = (get("active1"), get("active7"), get("active30"));
        put("dau", json!(dau));
        put("wau_7d", json!(wau));
        put("mau_30d", json!(mau));
        if self.settings.mau_days != 30 {
            put(&format!("mau_{}d", self.settings.mau_days), json!(get("custom")));
        }
        put("dau_mau_ratio", ratio(dau, get("custom")));
        put("dau_wau_ratio", ratio(dau, wau));
        let user_days: i64 = histogram.iter().enumerate().map(|(index, users)| users * (index as i64 + 1)).sum();
        put("active_days_mean_30d", ratio(user_days, mau));
        put("active_days_histogram_30d", json!(histogram));
        for length in [1, 7, 30] {
            for state in ["new", "retained", "resurrected", "dormant"] {
                let name = format!("{state}_{length}d");
                put(&name, json!(get(&name)));
            }
        }
        put("quick_ratio_7d", ratio(get("new_7d") + get("resurrected_7d"), get("dormant_7d")));
        put("quick_ratio_30d", ratio(get("new_30d") + get("resurrected_30d"), get("dormant_30d")));
        let before = get("retained_30d") + get("dormant_30d");
        put("retention_rate_30d", ratio(get("retained_30d"), before));
        put("churn_rate_30d", ratio(get("dormant_30d"), before));
        let list = retention.iter().map(|(after, cohort, returned)| json!({"after_days": after, "cohort": cohort, "returned": returned}));
        put("retention", list.collect());
        for name in ["orders", "new_buyers", "buyers_30d", "repeat_buyers_30d", "complaints", "complaints_open", "complainers_30d"] {
            put(name, json!(get(name)));
        }
        put("repeat_orders", json!(get("orders") - get("new_buyers")));
        put("revenue", json!(get("revenue") as f64 / 1e6));
        put("repeat_purchase_rate_30d", ratio(get("repeat_buyers_30d"), get("buyers_30d")));
        put("silent_unhappy_30d", json!(get("complainers_30d") * i64::from(self.settings.silent_ratio)));
        if segment == "all" {
            let [promoters, passives, detractors] = ["promoters_30d", "passives_30d", "detractors_30d"].map(get);
            put("promoters_30d", json!(promoters));
            put("passives_30d", json!(passives));
            put("detractors_30d", json!(detractors));
            put("nps_30d", ratio(100 * (promoters - detractors), promoters + passives + detractors));
        }
        record
    }

    /// Profiles as of the end of `day`: the fields that are simple to recompute.
    pub(crate) fn profiles(&self, day: Day) -> BTreeMap<String, Value> {
        let users = self.users(None);
        let profile = |(id, events): (&String, &Vec<&Event<'static>>)| {
            let days = self.active_days(events, "all");
            let orders = self.orders(events);
            let order_days: BTreeSet<i32> = orders.iter().map(|order| order.day.number()).collect();
            let open = self.complaints(events).iter().filter(|(opened, end, _)| *opened <= day && end.is_none_or(|end| end > day)).count();
            let streak = self.streak(events, &orders, day);
            let [activity, purchase] = [ProcessKind::Activity, ProcessKind::Purchase].map(|kind| self.judged(kind, events, day));
            let churn = &self.settings.churn;
            let counted = if churn.process == ProcessKind::Activity { &activity } else { &purchase };
            let text = |day: Option<&i32>| day.map(|day| Day::from_number(*day).to_string());
            let record = json!({
                "first_active_day": text(days.first()), "last_active_day": text(days.last()), "active_days": days.len(),
                "active_days_7d": days.range(day.number() - 6..=day.number()).count(),
                "active_days_30d": days.range(day.number() - 29..=day.number()).count(),
                "orders": orders.len(), "order_days": order_days.len(),
                "revenue": orders.iter().map(|order| order.net).sum::<i128>() as f64 / 1e6,
                "streak": streak, "loyal": streak >= self.settings.loyal_orders as usize,
                "referrals": events.iter().filter(|event| event.kind == EventType::ReferralConverted).count(),
                "open_complaints": open,
                "risk_activity": activity.as_ref().map(|judged| churn.activity.process.risk(&judged.1)),
                "risk_purchase": purchase.as_ref().map(|judged| churn.purchase.process.risk(&judged.1)),
                "p_alive_activity": activity.as_ref().map(|judged| churn.activity.process.p_alive(&judged.1)),
                "p_alive_purchase": purchase.as_ref().map(|judged| churn.purchase.process.p_alive(&judged.1)),
                "risk_level": counted.as_ref().map(|judged| judged.0),
                "expected_orders_30d": purchase.as_ref().map(|judged| churn.purchase.process.expected_days(&judged.1, 30.0)),
                "clv_365d": purchase.as_ref().map(|judged| self.value(&orders, &judged.1)),
                "recency_days": order_days.last().map(|last| last - order_days.first().expect("one")),
            });
            (id.clone(), record)
        };
        users.iter().map(profile).collect()
    }

    /// The level of a process at the end of `day` and the history behind it; `None` without a day of the process.
    pub(crate) fn judged(&self, kind: ProcessKind, events: &[&Event<'static>], day: Day) -> Option<(&'static str, History)> {
        let orders = self.orders(events);
        let active = |event: &&&Event<'static>| event.kind.is_activity();
        let moments: Vec<(EventTime, Day)> = match kind {
            ProcessKind::Activity => events.iter().filter(active).map(|event| (event.time, self.day(event))).collect(),
            ProcessKind::Purchase => orders.iter().map(|order| (order.time, order.day)).collect(),
        };
        let moments: Vec<_> = moments.into_iter().filter(|(_, at)| *at <= day).collect();
        let days: BTreeSet<i32> = moments.iter().map(|(_, at)| at.number()).collect();
        let (first, last) = (*days.first()?, *days.last()?);
        let history = History { repeats: days.len() as u32 - 1, recency_days: last - first, silent_days: day.number() - last };
        let churn = &self.settings.churn;
        let process = &churn.of(kind).process;
        let departed = [EventType::SubscriptionCancelled, EventType::CustomerLost];
        let departure =
            events.iter().filter(|event| departed.contains(&event.kind) && self.day(event) <= day).map(|event| event.time).max();
        let newest = moments.iter().map(|(time, _)| *time).max();
        if departure.is_some_and(|departure| newest <= Some(departure)) || history.silent_days > i32::from(process.lapse_days) {
            return Some(("churned", history));
        }
        let patience = i32::from(churn.complaint_patience_days);
        let ignored = self
            .complaints(events)
            .iter()
            .any(|(opened, end, _)| *opened <= day && end.is_none_or(|end| end > day) && day.days_since(*opened) > patience);
        let risk = process.risk(&history);
        let reached = [churn.medium, churn.high].iter().filter(|threshold| risk >= **threshold).count();
        Some((["low", "medium", "high"][(reached + usize::from(ignored)).min(2)], history))
    }

    /// The levels of both processes of every user at the end of `day`.
    pub(crate) fn levels(&self, day: Day) -> BTreeMap<String, [(&'static str, Option<&'static str>); 2]> {
        let of = |events: &[&Event<'static>]| {
            ProcessKind::NAMES.map(|(kind, name)| (name, self.judged(kind, events, day).map(|judged| judged.0)))
        };
        self.users(None).iter().map(|(id, events)| (id.clone(), of(events))).collect()
    }

    /// What the close of `day` decides about levels: users at each, and how many became high, became churned, came back. `before` are the
    /// levels at the close before.
    pub(crate) fn decided(&self, day: Day, before: &mut BTreeMap<String, &'static str>) -> [i64; 7] {
        let kind = self.settings.churn.process;
        let users = self.users(None);
        let judged: BTreeMap<String, (&'static str, History)> =
            users.iter().filter_map(|(id, events)| Some((id.clone(), self.judged(kind, events, day)?))).collect();
        let levels = ["low", "medium", "high", "churned"].map(|level| judged.values().filter(|judged| judged.0 == level).count() as i64);
        let became = |level| {
            let changed = |(id, judged): &(&String, &(&'static str, History))| {
                judged.0 == level && before.get(*id).is_some_and(|before| *before != level)
            };
            judged.iter().filter(changed).count() as i64
        };
        let back = |(id, judged): &(&String, &(&'static str, History))| judged.1.silent_days == 0 && before.get(*id) == Some(&"churned");
        let counts =
            [levels[0], levels[1], levels[2], levels[3], became("high"), became("churned"), judged.iter().filter(back).count() as i64];
        *before = judged.into_iter().map(|(id, judged)| (id, judged.0)).collect();
        counts
    }

    /// Whether a user departed up to `day`, was active later on the same day, and is known to have been active after `day`.
    pub(crate) fn blurred(&self, day: Day) -> bool {
        let departed = [EventType::SubscriptionCancelled, EventType::CustomerLost];
        self.users(None).values().any(|events| {
            let active = || events.iter().filter(|event| event.kind.is_activity());
            let departures = events.iter().filter(|event| departed.contains(&event.kind) && self.day(event) <= day);
            active().any(|event| self.day(event) > day)
                && departures.into_iter().any(|left| active().any(|event| event.time > left.time && self.day(event) == self.day(left)))
        })
    }

    fn value(&self, orders: &[Ordered<'_>], history: &History) -> f64 {
        let first = orders.iter().map(|order| order.day).min();
        let repeat_money: i128 = orders.iter().filter(|order| Some(order.day) != first).map(|order| order.net).sum();
        let mean = if history.repeats == 0 { 0.0 } else { repeat_money as f64 / 1e6 / f64::from(history.repeats) };
        let clv = &self.settings.clv;
        let spend = Spend { repeats: history.repeats, mean };
        clv.valuation.lifetime_value(&self.settings.churn.purchase.process, history, &clv.spend, &spend)
    }

    fn streak(&self, events: &[&Event<'static>], orders: &[Ordered<'_>], day: Day) -> usize {
        let lapse = i32::from(self.settings.lapse_days);
        let breaks = [EventType::CompetitorPurchase, EventType::CustomerLost, EventType::SubscriptionCancelled];
        let mut moments: Vec<(EventTime, u8, Day)> = orders.iter().map(|order| (order.time, 1, order.day)).collect();
        moments.extend(events.iter().filter(|event| breaks.contains(&event.kind)).map(|event| (event.time, 0, self.day(event))));
        moments.sort();
        let (mut streak, mut last) = (0, None::<Day>);
        for (_, kind, at) in moments.into_iter().filter(|(_, _, at)| *at <= day) {
            if kind == 0 {
                streak = 0;
                continue;
            }
            if last.is_some_and(|last| at.days_since(last) > lapse) {
                streak = 0;
            }
            streak += 1;
            last = Some(at);
        }
        if last.is_some_and(|last| day.days_since(last) > lapse) { 0 } else { streak }
    }
}
