//! Every field of the language stands in its page.

use std::collections::BTreeMap;

use crate::source::SourceFile;
use crate::spec::load::fields_known;

/// A suite and steps with every map that there is.
const EVERYTHING: &str = r#"
apiVersion: kubeproof.dev/v1alpha1
kind: Suite
metadata: {name: a}
spec:
  inputs: {a: {type: string, default: x}}
  requires: [{that: nodes}, {exists: {target: pod/a}}]
  defaults: {timeouts: {wait: 1m}}
  clusters: {b: {kubeconfig: ./b}}
  namespace: {per: case}
  permissions: [{nonResourceURLs: [/metrics], verbs: [get]}, {apiGroups: [""], resources: [pods], verbs: [get]}]
  setup:
    - apply: {file: a.yaml}
      expect: {warnings: {contains: x}}
      retry: {attempts: 2}
      as: {user: jane}
    - create: {file: a.yaml}
      expect: {rejected: {code: 403}}
    - patch: {target: pod/a, patch: {a: 1}}
      expect: {warnings: {contains: x}}
    - delete: {target: pod/a}
      expect: {warnings: {contains: x}}
    - get: {target: pod/a}
    - get: {raw: /version}
      expect: {status: 200}
    - assert: {target: pod/a, each: {that: x}, any: {that: x}, none: {that: x}, where: {that: x}, count: {min: 1}}
    - assert: {that: x}
    - absent: {target: pod/a}
    - wait: {target: pod/a, until: {condition: Ready}, unless: {jsonpath: x}}
    - exec: {target: pod/a, command: [a]}
      expect: {exit: {not: 1}, stdout: {json: {a: 1}}, stderr: {empty: true}, took: {max: 1s}}
    - run: {image: a}
      expect: {exit: 0}
    - command: {args: [a]}
      expect: {exit: 0}
    - script: {text: a}
      expect: {exit: 0}
    - logs: {target: pod/a, lines: {containing: x}}
      expect: {stdout: {contains: x}}
    - events: {target: pod/a}
      expect: {count: 1}
    - http: {service: a, port: 1}
      expect: {headers: {a: {contains: x}}, body: {contains: x}, tls: {validFor: 1d}}
    - can: {verb: get, resource: pods}
      expect: {allowed: true}
    - during: {every: 1s, http: {url: "http://a"}, steps: [{sleep: 1s}]}
      expect: {failed: 0}
    - use: {steps: s}
  cases:
    - name: a
      matrix: {p: {pods: {selector: a=b}}, n: {nodes: {selector: a=b}}, o: {objects: {target: pod}}, v: {values: [1]}}
      steps: [{sleep: 1s}]
  diagnose: [{if: x, message: y}]
---
apiVersion: kubeproof.dev/v1alpha1
kind: Steps
metadata: {name: s}
spec: {steps: [{sleep: 1s}]}
"#;

const HEAD: &str = "| of | fields |";

#[test]
fn every_field_of_the_language_stands_in_its_page() {
    let mut known: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (what, fields) in fields_known(&SourceFile::new("a.yaml", EVERYTHING)) {
        let all = known.entry(what).or_default();
        all.extend(fields);
        all.sort_unstable();
        all.dedup();
    }
    let expected: Vec<_> = known
        .iter()
        .map(|(what, fields)| format!("| {what} | `{}` |", fields.join(" ")))
        .collect();
    let docs = include_str!("../../../docs/language.md");
    let rows = docs.lines().skip_while(|line| *line != HEAD).skip(2);
    let told: Vec<_> = rows.take_while(|line| line.starts_with('|')).collect();
    assert!(
        expected == told,
        "docs/language.md should say:\n{HEAD}\n|---|---|\n{}",
        expected.join("\n")
    );
}
