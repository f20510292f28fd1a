//! `diagnose`: what may stand in its rules, and which names they see.

use insta::assert_snapshot;

use super::{Folder, check, suite};
use crate::plan::input::InputSources;
use crate::plan::model::Grouping;

const CASES: &str = "cases:
- name: one
  matrix: {a: {values: [1]}, where: a == 1}
  steps: [{sleep: 1s}]
- name: two
  steps: [{sleep: 1s}]
";

#[test]
fn a_rule_is_about_a_case() {
    let rules = |rules: &str| check(&format!("{CASES}diagnose: {rules}"));
    assert_snapshot!(rules("[{if: tally.failed > 0, message: x}, {case: on, if: tally.failed > 0, message: x}]"), @r#"
    a.yaml:11:15: the suite has several cases, and this rule names none (write `case:` and the name as it stands in the file)
    a.yaml:11:57: there is no case `on` (did you mean `one`?)
    "#);
    assert_snapshot!(rules("[{case: one}, {message: x, if: 'true', case: two, then: y}, x]"), @r#"
    a.yaml:11:15: a rule of `diagnose` needs `if`
    a.yaml:11:15: a rule of `diagnose` needs `message`
    a.yaml:11:63: unknown field `then` of a rule of `diagnose` (known here: each, by, blocks, steps, case, where, if, message, remedy, url)
    a.yaml:11:73: `diagnose` takes a map, not a string
    "#);
}

#[test]
fn its_parts_see_different_names() {
    let rules = |rules: &str| check(&format!("{CASES}diagnose: {rules}"));
    // the axes are those of cells, the tally that of a group
    assert_snapshot!(rules("[{case: one, where: a == 1, by: '{{ a }}', if: a == 1, message: '{{ a }} {{ key }} {{ cells[0].a }}'}]"), @r#"
    a.yaml:11:60: unknown name `a` (known here: inputs, key, nodes, rest, run, suite, tally)
    a.yaml:11:81: unknown name `a` (known here: cells, inputs, key, nodes, rest, run, suite, tally)
    "#);
    assert_snapshot!(rules("[{case: one, where: tally.failed == 1, by: '{{ key }}', if: tally.fails == 1, message: x}]"), @r#"
    a.yaml:11:33: unknown name `tally` (known here: a, inputs, nodes, run, suite)
    a.yaml:11:60: unknown name `key` (known here: a, inputs, nodes, run, suite)
    a.yaml:11:73: `tally` has no field `fails` (did you mean `failed`?)
    "#);
    assert_snapshot!(rules("[{case: one, each: {a: [1]}, if: 'true', message: x}, {case: one, each: {key: [1], b: [2]}, if: 'true', message: x}]"), @r#"
    a.yaml:11:33: the item `a` hides an axis of the case
    a.yaml:11:79: `each` takes one name and its list, not a map (write {label: "{{ inputs.labels }}"}: the name of an item, and the list)
    "#);
    assert_snapshot!(rules("[{case: one, by: a, if: 'true', message: x}]"), @r#"a.yaml:11:30: `by` takes what the cells are grouped by, not a string (write "{{ source.node }}", or a list where a cell is in several groups)"#);
}

#[test]
fn a_rule_that_looks_for_blocks() {
    let rules = |rules: &str| check(&format!("{CASES}diagnose: {rules}"));
    assert_snapshot!(rules("[{case: one, blocks: '{{ [a, a] }}', if: block.member == 1, message: '{{ block.others }} {{ key }} {{ tally.failed }}'}]"), @"a.yaml:11:54: `block` has no field `member` (did you mean `members`?)");
    assert_snapshot!(rules("[{case: one, blocks: [x], if: 'true', message: x}, {case: one, blocks: a, if: 'true', message: x}, {case: one, by: '{{ a }}', blocks: ['{{ a }}', '{{ a }}'], if: 'true', message: x}]"), @r#"
    a.yaml:11:26: `blocks` takes the two ends of a cell, not a list (write "{{ [source.node, target.node] }}")
    a.yaml:11:84: `blocks` takes the two ends of a cell, not a string (write "{{ [source.node, target.node] }}")
    a.yaml:11:139: `by` and `blocks`: cells are grouped by one of them
    "#);
    assert_snapshot!(rules("[{case: one, by: '{{ a }}', if: block.inside, message: x}]"), @"a.yaml:11:45: unknown name `block` (known here: inputs, key, nodes, rest, run, suite, tally)");
}

#[test]
fn it_only_looks() {
    assert_snapshot!(check(&format!("{CASES}diagnose: [{{case: one, if: 'true', message: '{{{{ seen }}}}', steps: [{{exec: {{target: pod/a, command: [a]}}, capture: {{seen: '{{{{ stdout }}}}'}}}}, {{delete: {{target: pod/a}}}}, {{skip: x}}]}}]")), @r#"
    a.yaml:11:142: `diagnose` only looks: `delete` is not for it (what looks: get, logs, events, exec, run, http, assert, can)
    a.yaml:11:169: `diagnose` only looks: `skip` is not for it (what looks: get, logs, events, exec, run, http, assert, can)
    a.yaml:11:169: `skip` ends a case, and `diagnose` is none (`requires` skips every case of a suite)
    "#);
}

#[test]
fn a_rule_in_full() {
    let rule = "diagnose:
- case: one
  where: a == 1
  each: {label: [x, y]}
  by: \"{{ [a, label] }}\"
  if: tally.failed == tally.total and rest.passed > 0
  steps:
  - exec: {target: pod/a, command: [a]}
    capture: {seen: \"{{ stdout }}\"}
  message: \"{{ key }} {{ label }} {{ seen }} {{ cells[0].a }}\"
  remedy: mend {{ key }}
  url: https://example.com
";
    let folder = Folder::new(&[("a.yaml", &suite(&format!("{CASES}{rule}")))]);
    let suites = folder.load(&["a.yaml"], &InputSources::default()).unwrap();
    let rule = &suites[0].diagnose[0];
    assert_eq!((rule.case, rule.steps.len()), (0, 1));
    assert!(
        rule.cells.is_some() && matches!(rule.grouping, Grouping::By(_)) && rule.each.is_some()
    );
    assert!(suites[0].cases[0].cells.is_some());
}
