//! Schema registries: `[input.registry]` and `[publish.registry]`.

use super::alerts::plain_address;
use super::section::Section;
use super::{Credentials, RegistrySettings, Secret};

/// The registry of a section that has no other keys, unless its owner has read them. `is_needed` where records have their schemas in one.
pub(super) fn registry(section: Section<'_>, is_needed: bool) -> Option<RegistrySettings> {
    let (url, username, password) = (section.optional_text("url"), section.optional_text("username"), section.optional_text("password"));
    if username.is_some() != password.is_some() {
        section.mistake("username", "and password go together: set both, or none");
    }
    let credentials = username.zip(password).map(|(username, password)| Credentials::Basic { username, password: Secret(password) });
    if url.is_none() && is_needed {
        section.mistake("url", "is missing: where the registry is that has the schemas of such records");
    }
    let address = url.as_ref().and_then(|text| plain_address(text));
    if url.is_some() && address.is_none() {
        let allowed = "must be an http or https address without user, query or fragment, such as \"http://localhost:8081\"";
        section.secret_mistake("url", allowed);
    }
    section.finish();
    Some(RegistrySettings { url: address?, credentials })
}
