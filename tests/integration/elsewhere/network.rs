//! The network suites on clusters that the local one is not: of other distributions, with addresses of other families,
//! with programs that log.

use serde_json::{Value, json};

use super::server::{Elsewhere, Port};
use crate::support::Finished;

/// What cases with this outcome say, each by its name.
fn told(run: &Finished, outcome: &str) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let events = run.events("case-finished");
    let those = events.iter().filter(|event| event["outcome"] == outcome);
    let mut told: Vec<_> = those
        .map(|event| (text(&event["id"]["name"]), text(&event["why"]["failure"])))
        .collect();
    told.sort_unstable();
    told
}

const PREFIX: &str = "flannel.alpha.coreos.com";
const VTEP: &str = r#"{"VNI":1,"VtepMAC":"7a:1b:9f:2c:33:04"}"#;

/// A node as flannel leaves it: its podCIDRs, its backend, its further annotations.
fn of_flannel(os: &str, cidrs: &[&str], backend: &str, further: &[(&str, &str)]) -> Elsewhere {
    let mut node = json!({
        "metadata": {"name": "a", "labels": {"kubernetes.io/os": os}, "annotations": {}},
        "spec": {"podCIDRs": cidrs, "podCIDR": cidrs.first()}});
    let always = [("kube-subnet-manager", "true"), ("backend-type", backend)];
    for (name, value) in always.iter().chain(further) {
        node["metadata"]["annotations"][format!("{PREFIX}/{name}")] = (*value).into();
    }
    Elsewhere::new("v1.34.0").with("/api/v1/nodes", node)
}

const IPV4: [(&str, &str); 2] = [("public-ip", "10.0.0.1"), ("backend-data", VTEP)];
const IPV6: [(&str, &str); 2] = [("public-ipv6", "fd00::1"), ("backend-v6-data", VTEP)];
const BOTH: [&str; 2] = ["10.42.0.0/24", "fd00:42::/64"];

#[test]
fn flannel_annotations_asks_for_the_families_of_the_node() {
    let run = |elsewhere: Elsewhere| elsewhere.run(&["flannel-annotations"]).0;
    let both = [IPV4, IPV6].concat();
    let null = [("public-ip", "10.0.0.1"), ("backend-data", "null")];
    for (os, cidrs, backend, further) in [
        ("linux", &BOTH[..1], "vxlan", &IPV4[..]),
        ("linux", &BOTH[1..], "vxlan", &IPV6[..]),
        ("linux", &BOTH[..], "vxlan", &both[..]),
        // these have no IPv6 to tell of, whatever the nodes have
        ("linux", &BOTH[..], "ipip", &null[..]),
        ("windows", &BOTH[..], "vxlan", &IPV4[..]),
    ] {
        run(of_flannel(os, cidrs, backend, further)).assert_code(0);
    }
    let lacks = |names: &str| format!("a lacks {names}").replace('@', PREFIX);
    let no_mac = [
        IPV4,
        [("public-ipv6", "fd00::1"), ("backend-v6-data", "null")],
    ]
    .concat();
    for (cidrs, further, text) in [
        (&BOTH[..1], &IPV6[..], lacks("@/public-ip, @/backend-data")),
        (
            &BOTH[1..],
            &IPV4[..],
            lacks("@/public-ipv6, @/backend-v6-data"),
        ),
        (
            &BOTH[..],
            &IPV4[..],
            lacks("@/public-ipv6, @/backend-v6-data"),
        ),
        (&BOTH[..], &IPV6[..], lacks("@/public-ip, @/backend-data")),
        (
            &BOTH[..],
            &no_mac[..],
            format!("a has no VtepMAC in {PREFIX}/backend-v6-data: null"),
        ),
    ] {
        let run = run(of_flannel("linux", cidrs, "vxlan", further));
        run.assert_code(1);
        assert_eq!(told(&run, "failed")[0].1, text, "{run}");
    }
    // what the controller manager has left out, flannel cannot write
    let mut nobody = of_flannel("linux", &[], "vxlan", &[]);
    nobody.keep(
        "/apis/apps/v1/namespaces/kube-flannel/daemonsets",
        json!({"metadata": {"name": "kube-flannel-ds"}}),
    );
    for node in nobody.objects.values_mut() {
        node["metadata"]["annotations"] = json!({});
    }
    let run = run(nobody);
    run.assert_code(1);
    let names = "@/kube-subnet-manager, @/backend-type, and a podCIDR, without which flannel does not register it";
    assert_eq!(told(&run, "failed")[0].1, lacks(names), "{run}");
}

/// Two servers and their addresses.
fn two(version: &'static str, roles: &[&str], first: &[&str], second: &[&str]) -> Elsewhere {
    let mut labels = json!({});
    for role in roles {
        labels[format!("node-role.kubernetes.io/{role}")] = "".into();
    }
    Elsewhere::new(version)
        .node("a", labels.clone(), first)
        .node("b", labels, second)
}

const PORTS: [&str; 3] = ["ports", "--namespace", "n"];

#[test]
fn ports_of_etcd_are_at_the_first_address_alone() {
    let servers = |port: Port| {
        let (a, b) = (["10.0.0.1", "fd00::1"], ["10.0.0.2", "fd00::2"]);
        two("v1.34.1+k3s1", &["control-plane", "etcd"], &a, &b)
            .api_server("10.0.0.1", 6443)
            .port(port)
            .run(&PORTS)
            .0
    };
    let healthy: Port = |ip, port| match (ip.contains(':'), port) {
        (_, 6443 | 10250) | (false, 2379 | 2380) => "open",
        _ => "refused",
    };
    servers(healthy).assert_code(0);
    // but what does not arrive there is a firewall's
    let run = servers(|ip, port| match (ip, port) {
        ("fd00::2", 2380) => "filtered",
        (_, 6443 | 10250 | 2379 | 2380) => "open",
        _ => "refused",
    });
    run.assert_code(1);
    let failed = told(&run, "failed");
    assert_eq!(failed[0].1, "a to b: TCP 2380 (etcd peer) is filtered");
    assert_eq!(failed.len(), 2, "{run}");
    // and at the first address it must be
    let run = servers(|ip, port| match (ip, port) {
        ("10.0.0.2", 2379) => "refused",
        (_, 6443 | 10250 | 2379 | 2380) => "open",
        _ => "refused",
    });
    run.assert_code(1);
    let failed = told(&run, "failed");
    assert_eq!(failed[0].1, "a to b: TCP 2379 (etcd client) is refused");
}

#[test]
fn ports_asks_for_the_api_server_where_it_listens() {
    let servers = |address: &str, api: u16, port: Port| {
        two("v1.34.0", &["control-plane"], &["10.0.0.1"], &["10.0.0.2"])
            .api_server(address, api)
            .port(port)
            .run(&PORTS)
            .0
    };
    // minikube's, and kOps's
    let minikube: Port = |_, port| match port {
        8443 | 10250 | 10257 | 10259 => "open",
        _ => "refused",
    };
    servers("10.0.0.1", 8443, minikube).assert_code(0);
    let kops: Port = |_, port| match port {
        443 | 10250 | 10257 | 10259 => "open",
        _ => "refused",
    };
    servers("10.0.0.1", 443, kops).assert_code(0);
    let run = servers("10.0.0.1", 443, minikube);
    run.assert_code(1);
    let failed = told(&run, "failed");
    assert_eq!(failed[0].1, "a to a: TCP 443 (API server) is refused");
    assert_eq!(failed.len(), 4, "{run}");
    // a load balancer's port says nothing of the nodes' but that they need it
    servers("192.0.2.1", 443, minikube).assert_code(0);
    let run = servers("192.0.2.1", 443, |_, port| match port {
        443 => "filtered",
        10250 | 10257 | 10259 => "open",
        _ => "refused",
    });
    run.assert_code(1);
    assert_eq!(told(&run, "failed").len(), 4, "{run}");
}

#[test]
fn ports_looks_at_both_addresses_of_the_host_itself() {
    let servers = |port: Port| {
        two("v1.34.0", &["control-plane"], &["fd00::1"], &["fd00::2"])
            .api_server("fd00::1", 6443)
            .port(port)
            .run(&PORTS)
            .0
    };
    // as kind has it on IPv6
    servers(|ip, port| match (ip, port) {
        (_, 6443 | 10250 | 10257) | ("::1", 10259) => "open",
        _ => "refused",
    })
    .assert_code(0);
    let run = servers(|_, port| match port {
        6443 | 10250 | 10257 => "open",
        _ => "refused",
    });
    run.assert_code(1);
    let failed = told(&run, "failed");
    let text = "a: TCP 10259 (scheduler) is refused on 127.0.0.1 and refused on ::1";
    assert_eq!(failed[0].1, text, "{run}");
}

#[test]
fn ports_does_without_the_health_of_cilium() {
    let cilium = json!({"metadata": {"name": "cilium"}});
    let servers = |port: Port| {
        two("v1.34.0", &[], &["10.0.0.1"], &["10.0.0.2"])
            .with(
                "/apis/apps/v1/namespaces/kube-system/daemonsets",
                cilium.clone(),
            )
            .port(port)
            .run(&PORTS)
            .0
    };
    let run = servers(|_, port| if port == 10250 { "open" } else { "refused" });
    run.assert_code(0);
    let run = servers(|_, port| match port {
        10250 => "open",
        4240 => "filtered",
        _ => "refused",
    });
    run.assert_code(1);
    assert_eq!(told(&run, "failed").len(), 4, "{run}");
}

/// What ingress-nginx logs where its upstream does not answer, on Debian and on Alpine, and other lines of it.
const NGINX: [&str; 4] = [
    r#"2017/06/16 07:57:35 [error] 295#295: *1 upstream timed out (110: Connection timed out) while connecting to upstream, client: 192.0.2.7, server: site.example.com, request: "GET / HTTP/1.1", upstream: "http://10.1.46.2:8000/", host: "site.example.com""#,
    r#"2023/03/08 16:06:19 [error] 31#31: *2359 upstream timed out (110: Operation timed out) while connecting to upstream, client: 192.0.2.7, server: site.example.com, request: "GET /favicon.ico HTTP/1.1", upstream: "https://10.1.72.4:8443/favicon.ico", host: "site.example.com""#,
    r#"2022/09/21 10:00:00 [error] 31#31: *7 upstream timed out (110: Operation timed out) while reading response header from upstream, client: 192.0.2.7, server: _, request: "GET / HTTP/1.1", upstream: "http://10.1.72.4:8080/", host: "site.example.com""#,
    r#"2022/09/21 10:00:01 [error] 31#31: *8 connect() failed (111: Connection refused) while connecting to upstream, client: 192.0.2.7, server: _, request: "GET / HTTP/1.1", upstream: "http://10.1.72.4:8080/", host: "site.example.com""#,
];

#[test]
fn system_namespaces_knows_what_ingress_nginx_logs() {
    let run = |lines: &[&str]| {
        Elsewhere::new("v1.34.0")
            .logged("ingress-nginx", json!({}), lines)
            .run(&["system-namespaces", "--strict"])
            .0
    };
    run(&NGINX[2..]).assert_code(0);
    let told_of = |lines: &[&str]| {
        let run = run(lines);
        run.assert_code(1);
        told(&run, "failed").remove(0).1
    };
    for line in &NGINX[..2] {
        let text = told_of(&[line]);
        assert!(
            text.contains("logged 1 times within 1h") && text.ends_with(line),
            "{text}"
        );
    }
    let all = told_of(&NGINX);
    assert!(all.contains("logged 2 times within 1h"), "{all}");
}

#[test]
fn no_mesh_takes_the_connections_of_the_probes_of_system_namespaces() {
    let (run, server) = Elsewhere::new("v1.34.0")
        .with(
            "/api/v1/namespaces",
            json!({"metadata": {"name": "kube-system"}, "status": {"phase": "Active"}}),
        )
        .run(&["system-namespaces", "--set", "probe=true"]);
    run.assert_code(0);
    let pods = server.bodies("PATCH /api/v1/namespaces/kube-system/pods/");
    let marks = &pods[0]["metadata"];
    assert_eq!(marks["labels"]["sidecar.istio.io/inject"], "false");
    assert_eq!(marks["labels"]["istio.io/dataplane-mode"], "none");
    assert_eq!(marks["annotations"]["linkerd.io/inject"], "disabled");
}

#[test]
fn mtu_knows_what_rancher_and_its_agents_log() {
    // over IPv4, over IPv6, and what has nothing to do with it
    let lines = [
        r#"time="2019-02-12T10:02:25Z" level=error msg="Failed to connect to proxy" error="read tcp 10.100.52.14:37004->192.0.2.59:443: i/o timeout""#,
        r#"time="2025-02-12T10:02:25Z" level=error msg="Failed to connect to proxy. Empty dialer response" error="read tcp [fd00:42::7]:37004->[fd00::9]:443: i/o timeout""#,
        r#"time="2019-03-20T15:17:53Z" level=error msg="Failed to connect to proxy" error="websocket: bad handshake""#,
        r#"time="2019-03-20T15:17:54Z" level=info msg="Connecting to proxy" url="wss://rancher.example.com/v3/connect""#,
        r#"time="2019-03-20T15:17:55Z" level=error msg="Remotedialer proxy error" error="dial tcp 192.0.2.59:443: i/o timeout""#,
    ];
    let run = |lines: &[&str]| {
        two("v1.34.0", &[], &["10.0.0.1"], &["10.0.0.2"])
            .logged("cattle-system", json!({"app": "cattle-agent"}), lines)
            .run(&["mtu", "--namespace", "n", "--strict", "--filter", "*logs*"])
            .0
    };
    run(&lines[3..]).assert_code(0);
    let run = run(&lines);
    run.assert_code(1);
    let mut times: Vec<_> = told(&run, "failed")
        .into_iter()
        .map(|(_, text)| text.split(" times").next().unwrap_or_default().to_owned())
        .collect();
    times.sort_unstable();
    let expected = [
        "`Failed to connect to proxy` 3",
        "`read tcp[ :].*i/o timeout` 2",
        "`websocket: bad handshake` 1",
    ];
    assert_eq!(
        times,
        expected.map(|line| format!("cattle-agent logged {line}")),
        "{run}"
    );
}
