//! One view of an object and of a row: fields and properties by name.

use std::borrow::Cow;

use super::super::csv::Header;
use super::super::json::{Json, Object};
use super::super::mapping::{InputMapping, Location};

/// A record that has been taken apart.
#[derive(Clone, Copy)]
pub(super) enum Record<'d, 'a> {
    /// The object of a JSON record.
    Json(Json<'d, 'a>),
    /// The cells of a row; an empty one is absent.
    Row { header: &'d Header, cells: &'d [Cow<'a, str>] },
}

impl<'d, 'a> Record<'d, 'a> {
    /// What is at `location`.
    pub(super) fn field(self, location: &Location) -> Option<Json<'d, 'a>> {
        match (self, location.pointer()) {
            (Self::Json(root), Some(pointer)) => root.at(pointer),
            (Self::Json(Json::Object(object)), None) => object.get(location.written()),
            (Self::Json(_), None) => None,
            (Self::Row { header, cells }, _) => {
                cells.get(header.index(location.written())?).filter(|cell| !cell.is_empty()).map(Json::Text)
            }
        }
    }
}

/// The properties of a record, by the names that the vocabulary and the settings give them.
#[derive(Clone, Copy)]
pub(super) struct Properties<'s, 'd, 'a> {
    pub(super) record: Record<'d, 'a>,
    /// The object of properties; a row has none, its columns are the properties.
    pub(super) nested: Option<Object<'d, 'a>>,
    /// What `into` is, where the format has a place of its own for it.
    pub(super) into: Option<Json<'d, 'a>>,
    pub(super) mapping: &'s InputMapping,
}

impl<'d, 'a> Properties<'_, 'd, 'a> {
    /// The property called `name` here, wherever the record has it.
    pub(super) fn get(&self, name: &str) -> Option<Json<'d, 'a>> {
        if let (Some(into), "into") = (self.into, name) {
            return Some(into);
        }
        let renamed = self.mapping.properties.get(name);
        if let (Some(location), Record::Json(_)) = (renamed, self.record)
            && location.pointer().is_some()
        {
            return self.record.field(location);
        }
        let name = renamed.map_or(name, Location::written);
        match self.record {
            Record::Json(_) => self.nested?.get(name),
            Record::Row { .. } if self.mapping.fields.all().any(|field| field.written() == name) => None,
            Record::Row { .. } => self.record.field(&Location::name(name)),
        }
    }

    /// The property called `name`, when it is there and not null.
    pub(super) fn some(&self, name: &str) -> Option<Json<'d, 'a>> {
        self.get(name).filter(|json| !json.is_null())
    }
}
