//! The facts that the engine counts, out of properties that the vocabulary's rules have allowed.

use std::borrow::Cow;

use super::super::json::{Document, Json};
use super::super::number;
use super::super::vocabulary::{flag, numeric};
use super::noted::{activity, noted, survey_details};
use super::record::Properties;
use super::{LONGEST_USER_ID_BYTES, id_text, invalid, scalar_text};
use crate::model::event::{ComplaintDetails, ComplaintFacts, EventType, Facts, OrderDetails, OrderFacts, ReturnFacts, SurveyFacts};
use crate::model::money::Money;
use crate::model::rejection::Rejection;

/// Whether events of a type have no facts whatever their properties.
pub(super) fn is_bare(kind: EventType) -> bool {
    use EventType::{ReferralConverted, ReferralSent, Signup, UserDeleted};
    matches!(kind, Signup | ReferralSent | ReferralConverted | UserDeleted)
}

/// The facts of an event of this type.
pub(super) fn facts<'a>(kind: EventType, properties: &Properties<'_, '_, 'a>) -> Result<Facts<'a>, Rejection> {
    Ok(match kind {
        EventType::OrderPlaced => Facts::Order(order(properties)?),
        EventType::OrderReturned => {
            Facts::Return(ReturnFacts { order_id: id(properties, "order_id")?, amount: money(properties, "amount") })
        }
        EventType::SurveyResponse => Facts::Survey(survey(properties)),
        EventType::ComplaintOpened | EventType::ComplaintResolved => Facts::Complaint(complaint(properties)?),
        EventType::UserMerged => Facts::MergedInto(merged_into(properties)?),
        EventType::Activity => activity(properties),
        _ if is_bare(kind) => Facts::None,
        _ => noted(kind, properties),
    })
}

/// Visits the items of a list, which in a row is JSON text.
pub(super) fn each(name: &str, json: Json<'_, '_>, mut visit: impl FnMut(Json<'_, '_>) -> Result<(), Rejection>) -> Result<(), Rejection> {
    let not_a_list = || invalid(name, json, "must be a list of objects");
    match json {
        Json::Array(array) => array.items().try_for_each(visit),
        Json::Text(text) => {
            let document = Document::parse(text.as_bytes()).map_err(|_| not_a_list())?;
            let Json::Array(array) = document.root() else { return Err(not_a_list()) };
            array.items().try_for_each(&mut visit)
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Object(_) => Err(not_a_list()),
    }
}

fn order<'a>(properties: &Properties<'_, '_, 'a>) -> Result<OrderFacts<'a>, Rejection> {
    let Lines { mut brands, mut categories, products } = lines(properties);
    if let Some(brand) = properties.get("brand").and_then(scalar_text).filter(|brand| !brand.is_empty()) {
        brands = vec![brand];
    }
    sort_distinct(&mut brands);
    sort_distinct(&mut categories);
    Ok(OrderFacts {
        order_id: id(properties, "order_id")?,
        amount: money(properties, "amount").unwrap_or_default(),
        discounted: is_positive(properties, "discount"),
        reward_used: is_positive(properties, "reward_used"),
        brands,
        categories,
        decision_s: double(properties, "decision_s").filter(|seconds| *seconds > 0.0),
        details: order_details(properties, products),
    })
}

fn sort_distinct(texts: &mut Vec<Cow<'_, str>>) {
    texts.sort_unstable();
    texts.dedup();
}

/// The distinct products, sorted, and the units of each in sum; no units when no line tells any.
fn by_product(mut products: Vec<(Cow<'_, str>, f64)>) -> (Vec<Cow<'_, str>>, Vec<f64>) {
    // Units are added up in the order of the lines.
    products.sort_by(|one, other| one.0.cmp(&other.0));
    products.dedup_by(|more, known| {
        let is_same = more.0 == known.0;
        known.1 += if is_same { more.1 } else { 0.0 };
        is_same
    });
    let (items, units): (Vec<_>, Vec<_>) = products.into_iter().unzip();
    let is_told = units.iter().any(|units| *units > 0.0);
    (items, if is_told { units } else { Vec::new() })
}

fn order_details<'a>(properties: &Properties<'_, '_, 'a>, products: Vec<(Cow<'a, str>, f64)>) -> Option<Box<OrderDetails<'a>>> {
    let (items, units) = by_product(products);
    let details = OrderDetails {
        list_amount: money(properties, "list_amount"),
        cost: money(properties, "cost"),
        channel: text(properties, "channel"),
        items,
        units,
        wait_s: double(properties, "wait_s"),
        expected_amount: money(properties, "expected_amount"),
        intermediary: text(properties, "intermediary"),
        campaign: text(properties, "campaign"),
        reward_granted: is_positive(properties, "reward_granted"),
    };
    (details != OrderDetails::default()).then(|| Box::new(details))
}

fn complaint<'a>(properties: &Properties<'_, '_, 'a>) -> Result<ComplaintFacts<'a>, Rejection> {
    let details = ComplaintDetails {
        category: text(properties, "category"),
        channel: text(properties, "channel"),
        severity: text(properties, "severity"),
        remedy: text(properties, "remedy"),
        satisfied: properties.some("satisfied").and_then(flag),
        cost: money(properties, "cost"),
    };
    let details = (details != ComplaintDetails::default()).then(|| Box::new(details));
    Ok(ComplaintFacts { complaint_id: id(properties, "complaint_id")?, details })
}

/// What an order's lines name, as it comes.
#[derive(Default)]
struct Lines<'a> {
    brands: Vec<Cow<'a, str>>,
    categories: Vec<Cow<'a, str>>,
    /// With units, 0 where they are not told.
    products: Vec<(Cow<'a, str>, f64)>,
}

impl<'a> Lines<'a> {
    fn add(&mut self, line: Json<'_, '_>, text: impl Fn(&str) -> Option<Cow<'a, str>>) {
        self.brands.extend(text("brand"));
        self.categories.extend(text("category"));
        self.products.extend(text("product_id").map(|product| (product, units(line))));
    }
}

/// The units of a line; 0 when they are not told, or are none.
fn units(line: Json<'_, '_>) -> f64 {
    let Json::Object(object) = line else { return 0.0 };
    object.get("quantity").and_then(numeric).and_then(number::double).filter(|units| *units > 0.0).unwrap_or_default()
}

/// Lists in a row's cell do not outlive the cell, so their texts are copied.
fn lines<'a>(properties: &Properties<'_, '_, 'a>) -> Lines<'a> {
    let mut found = Lines::default();
    match properties.get("lines") {
        Some(Json::Array(array)) => {
            for line in array.items() {
                found.add(line, |name| named(line, name));
            }
        }
        Some(json @ Json::Text(_)) => {
            // The rules have already said that this is a list.
            let _ = each("lines", json, |line| {
                found.add(line, |name| named(line, name).map(|text| Cow::Owned(text.into_owned())));
                Ok(())
            });
        }
        _ => {}
    }
    found
}

pub(super) fn named<'a>(line: Json<'_, 'a>, key: &str) -> Option<Cow<'a, str>> {
    let Json::Object(object) = line else { return None };
    object.get(key).and_then(scalar_text).filter(|text| !text.is_empty())
}

fn survey<'a>(properties: &Properties<'_, '_, 'a>) -> SurveyFacts<'a> {
    let recommend = properties.some("recommend").and_then(numeric).and_then(number::whole);
    SurveyFacts {
        recommend: recommend.and_then(|score| u8::try_from(score).ok()),
        repurchase_intention: double(properties, "repurchase_intention"),
        trust: double(properties, "trust"),
        satisfaction: double(properties, "satisfaction"),
        responsiveness: double(properties, "responsiveness"),
        details: survey_details(properties),
    }
}

fn merged_into<'a>(properties: &Properties<'_, '_, 'a>) -> Result<Cow<'a, str>, Rejection> {
    let into = properties.get("into").unwrap_or(Json::Null);
    id_text("into", into, LONGEST_USER_ID_BYTES)
}

/// An id among the properties; empty when it is absent.
fn id<'a>(properties: &Properties<'_, '_, 'a>, name: &str) -> Result<Cow<'a, str>, Rejection> {
    properties.some(name).map_or(Ok(Cow::Borrowed("")), |json| id_text(name, json, usize::MAX))
}

/// A text among the properties, or the text of a number or boolean; empty when it is absent.
pub(super) fn text<'a>(properties: &Properties<'_, '_, 'a>, name: &str) -> Cow<'a, str> {
    properties.get(name).and_then(scalar_text).unwrap_or_default()
}

pub(super) fn money(properties: &Properties<'_, '_, '_>, name: &str) -> Option<Money> {
    number::money(numeric(properties.some(name)?)?).ok()
}

pub(super) fn double(properties: &Properties<'_, '_, '_>, name: &str) -> Option<f64> {
    number::double(numeric(properties.some(name)?)?)
}

/// Whether a property is a number above 0, or true.
pub(super) fn is_positive(properties: &Properties<'_, '_, '_>, name: &str) -> bool {
    let Some(json) = properties.some(name) else { return false };
    flag(json).unwrap_or_else(|| numeric(json).and_then(number::double).is_some_and(|value| value > 0.0))
}
