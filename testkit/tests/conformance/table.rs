//! CONFORMANCE.md: the rows as a table, and that the committed one says what the rows say.

use std::path::Path;
use std::{env, fs};

use super::evidence::Evidence;
use super::kinesis_mock::VERSION;
use super::row::{Reach, Row};
use super::rows::{GROUPS, all_rows};
use super::target::Target;

const COLUMNS: [Target; 3] = [Target::Sim, Target::Sandbox, Target::KinesisMock];

#[test]
fn the_committed_table_is_what_the_rows_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("CONFORMANCE.md");
    let document = document();
    if env::var("CONFORMANCE_WRITE").is_ok_and(|value| value == "1") {
        fs::write(&path, &document).expect("a writable document");
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == document,
        "CONFORMANCE.md is not what the rows say: CONFORMANCE_WRITE=1 cargo test -p kinesis-testkit conformance"
    );
}

#[test]
fn no_row_stands_twice() {
    let mut claims: Vec<_> = all_rows().map(|row| row.claim).collect();
    let count = claims.len();
    claims.sort_unstable();
    claims.dedup();
    assert_eq!(claims.len(), count);
}

fn document() -> String {
    let mut text = introduction();
    for (heading, rows) in GROUPS {
        text.push_str(&format!(
            "\n## {heading}\n\n| Behaviour | sim | sandbox | kinesis-mock | Evidence |\n|---|---|---|---|---|\n"
        ));
        for row in rows {
            let cells = COLUMNS.map(|target| cell(row.reach(target)));
            text.push_str(&format!(
                "| {} | {} | {} |\n",
                row.claim,
                cells.join(" | "),
                evidence(row)
            ));
        }
    }
    text
}

fn introduction() -> String {
    let rows = all_rows().count();
    let [sim, sandbox, mock] = COLUMNS.map(|target| count(target, |reach| matches!(reach, Reach::Holds)));
    let gaps = count(Target::KinesisMock, |reach| matches!(reach, Reach::Gap(_)));
    let unseen = count(Target::KinesisMock, |reach| matches!(reach, Reach::Unseen(_)));
    let aws = count(Target::Aws, |reach| matches!(reach, Reach::Holds));
    let unverified = all_rows().filter(|row| row.is_unverified()).count();
    format!(
        "# Conformance\n\n\
         What the simulated Kinesis service is held to, behaviour by behaviour, and why we believe that AWS behaves so.\n\
         Written from `tests/conformance/rows/`; do not edit.\n\n\
         | | rows |\n|---|---|\n\
         | in all | {rows} |\n\
         | hold in `sim::Sim` | {sim} |\n\
         | hold in `sandbox::Sandbox` | {sandbox} |\n\
         | hold in kinesis-mock {VERSION} | {mock}; {gaps} known gaps, {unseen} not to be seen there |\n\
         | can be tried on AWS | {aws}; none has been |\n\
         | unverified | {unverified} |\n\n\
         In the tables, ✓ is a behaviour that a test sees there, ✗ one that is known to be missing there, with what \
         happens instead,\nand – one that cannot be seen there, with the reason. The evidence:\n\n\
         * **service model**: the model that AWS publishes with its SDKs declares the shape, the constraint or the error;\n\
         * **a page of AWS**, linked: it says so in words;\n\
         * **second emulator**: kinesis-mock, which others wrote, does the same;\n\
         * **a real client**: a library of AWS relies on it;\n\
         * **unverified**: it is our reading, and nothing besides supports it.\n"
    )
}

fn count(target: Target, fits: impl Fn(Reach) -> bool) -> usize {
    all_rows().filter(|row| fits(row.reach(target))).count()
}

fn cell(reach: Reach) -> String {
    match reach {
        Reach::Holds => "✓".to_owned(),
        Reach::Gap(instead) => format!("✗ {instead}"),
        Reach::Unseen(why) => format!("– {why}"),
    }
}

fn evidence(row: &Row) -> String {
    if row.is_unverified() {
        return "**unverified**".to_owned();
    }
    let mut named: Vec<_> = row.evidence.iter().map(name).collect();
    if matches!(row.reach(Target::KinesisMock), Reach::Holds) {
        named.push("second emulator".to_owned());
    }
    named.join("; ")
}

fn name(evidence: &Evidence) -> String {
    match evidence {
        Evidence::ServiceModel => "service model".to_owned(),
        Evidence::Page(page, address) => format!("[{page}]({address})"),
        Evidence::RealClient(what) => format!("a real client: {what}"),
        Evidence::OurGap => "none: the service can do this, the model cannot".to_owned(),
    }
}
