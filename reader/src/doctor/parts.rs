//! What ttmem sees of a build of tt-metal, part by part, by what the build exports.

use serde::{Serialize, Serializer};
use ttmem_wire::Part;

use super::exports::Exports;

/// Whether a part is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Sight {
    /// It is.
    Yes,
    /// Not all of it.
    Partly,
    /// The build hides it.
    No,
    /// The build has none.
    Absent,
}

/// One part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PartCheck {
    /// Which; its name in JSON.
    #[serde(serialize_with = "write_name")]
    pub part: Part,
    /// Whether it is seen.
    pub seen: Sight,
    /// Why not, or by what other way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

impl PartCheck {
    /// All parts of a build.
    pub(super) fn all(exports: &Exports) -> Vec<Self> {
        Part::ALL.into_iter().map(|part| Self::of(part, exports)).collect()
    }

    fn of(part: Part, exports: &Exports) -> Self {
        let is_defined = |name: &&&str| exports.defined.contains(**name);
        let all = || part.hooks().iter().chain(part.getters());
        let missing: Vec<&str> = all().filter(|name| !is_defined(name)).copied().collect();
        let inlined: Vec<&str> =
            part.hooks().iter().filter(|name| is_defined(name) && !exports.called.contains(**name)).copied().collect();
        let mut lacks = Vec::new();
        if !missing.is_empty() {
            lacks.push(format!("no {}", readable(&missing)));
        }
        if !inlined.is_empty() {
            lacks.push(format!("not called by name: {}", readable(&inlined)));
        }
        let check = |seen, why: Option<String>| Self { part, seen, why };
        let why = Some(lacks.join("; "));
        if part == Part::Buffers {
            let [getters, witnesses] = Part::BUFFER_GETTERS.map(|names| names.iter().all(|name| is_defined(&name)));
            return match (lacks.is_empty(), getters, witnesses) {
                (false, ..) => check(Sight::No, why),
                (true, true, _) => check(Sight::Yes, None),
                (true, false, true) => {
                    check(Sight::Yes, Some("by their fields, which are compared with getters".to_owned()))
                }
                (true, false, false) => {
                    check(Sight::No, Some("no getters of a buffer's size, memory and device".to_owned()))
                }
            };
        }
        if lacks.is_empty() {
            check(Sight::Yes, None)
        } else if !part.is_there_without(&missing) {
            check(Sight::Absent, None)
        } else if part.can_be_seen_in_part() && missing.len() + inlined.len() < all().count() {
            check(Sight::Partly, why)
        } else {
            check(Sight::No, why)
        }
    }

    /// Whether tracking is possible at all.
    pub(super) fn is_needed_and_unseen(&self) -> bool {
        self.part == Part::Buffers && self.seen != Sight::Yes
    }
}

fn write_name<S: Serializer>(part: &Part, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(part.name())
}

/// Names that are written out.
const LISTED: usize = 3;

/// C++ names without their arguments, the first of many.
fn readable(names: &[&str]) -> String {
    let one = |name: &&str| {
        let whole = addr2line::demangle_auto((*name).into(), None).into_owned();
        whole.split('(').next().unwrap_or(&whole).replace("tt::tt_metal::", "")
    };
    let listed = names.iter().take(LISTED).map(one).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(LISTED) {
        0 => listed,
        more => format!("{listed} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::exports::Contains;

    /// A build with all names, but those without which `keep` says no.
    fn build(keep: impl Fn(&str) -> bool, calls: impl Fn(&str) -> bool) -> Exports {
        let parts = Part::ALL.into_iter().flat_map(|part| part.hooks().iter().chain(part.getters()));
        let all = parts.chain(Part::BUFFER_GETTERS.into_iter().flatten()).copied();
        let defined: std::collections::HashSet<_> = all.filter(|name| keep(name)).collect();
        let called = defined.iter().copied().filter(|name| calls(name)).collect();
        Exports { defined, called, contains: Contains::Nothing }
    }

    fn seen(exports: &Exports, part: Part) -> (Sight, String) {
        let check = PartCheck::all(exports).into_iter().find(|check| check.part == part).unwrap();
        (check.seen, check.why.unwrap_or_default())
    }

    #[test]
    fn a_part_is_seen_by_its_names() {
        let whole = build(|_| true, |_| true);
        assert!(PartCheck::all(&whole).iter().all(|check| check.seen == Sight::Yes));
        let old = build(|name| !name.contains("dataflow_buffer"), |_| true);
        assert_eq!(seen(&old, Part::DataflowBuffers), (Sight::Absent, String::new()));
        let hidden = build(|name| !name.contains("mark_address"), |_| true);
        let why = "no detail::ProgramImpl::CircularBufferAllocator::mark_address";
        assert_eq!(seen(&hidden, Part::DataflowBuffers), (Sight::No, why.to_owned()));
        let many = build(|name| !name.contains("MeshTensor"), |_| true);
        let why = "no MeshTensor::MeshTensor, MeshTensor::mesh_buffer, MeshTensor::logical_shape and 4 more";
        assert_eq!(seen(&many, Part::Tensors), (Sight::No, why.to_owned()));
        let without = build(|name| !name.contains("trace_allocation"), |_| true);
        assert_eq!(seen(&without, Part::ProgramTables), (Sight::No, "no trace_allocation_tracking_enabled".to_owned()));
        let inlined = build(|_| true, |name| !name.contains("load_binaries"));
        let why = "not called by name: distributed::MeshWorkloadImpl::load_binaries";
        assert_eq!(seen(&inlined, Part::ProgramBinaries), (Sight::No, why.to_owned()));
        let released = build(|name| !name.contains("deallocate_circular"), |_| true);
        let why = "no detail::ProgramImpl::deallocate_circular_buffers";
        assert_eq!(seen(&released, Part::CircularBuffers), (Sight::Partly, why.to_owned()));
    }

    #[test]
    fn a_part_has_its_name_in_json() {
        let [first, ..] = &PartCheck::all(&build(|_| true, |_| true))[..] else { panic!("no part") };
        assert_eq!(serde_json::to_string(first).unwrap(), r#"{"part":"buffers","seen":"yes"}"#);
    }

    #[test]
    fn buffers_need_all_their_names_and_one_way_to_read_them() {
        for name in Part::Buffers.hooks() {
            assert_eq!(seen(&build(|_| true, |called| called != *name), Part::Buffers).0, Sight::No, "{name}");
        }
        for name in Part::Buffers.hooks().iter().chain(Part::Buffers.getters()) {
            assert_eq!(seen(&build(|known| known != *name, |_| true), Part::Buffers).0, Sight::No, "{name}");
        }
        let [getter, witness] = Part::BUFFER_GETTERS.map(|names| names[0]);
        let by_fields = seen(&build(|name| name != getter, |_| true), Part::Buffers);
        assert_eq!(by_fields, (Sight::Yes, "by their fields, which are compared with getters".to_owned()));
        assert_eq!(seen(&build(|name| name != witness, |_| true), Part::Buffers), (Sight::Yes, String::new()));
        let neither = build(|name| name != getter && name != witness, |_| true);
        assert_eq!(seen(&neither, Part::Buffers).0, Sight::No);
    }
}
