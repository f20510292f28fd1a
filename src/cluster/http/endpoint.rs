//! Which pod and port stand behind a service: pure, from the Service and its EndpointSlices.
//!
//! See [EndpointSlice](https://kubernetes.io/docs/reference/kubernetes-api/discovery/endpoint-slice-v1/).

use serde_json::Value;

use super::model::HttpError;

/// A pod that answers for a service.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Endpoint {
    pub(super) pod: String,
    pub(super) port: u16,
}

/// The first ready pod by name, and its port that `port` (a number or a name) of the service leads to.
pub(super) fn choose(service: &Value, slices: &[Value], port: &str) -> Result<Endpoint, HttpError> {
    let name = service["metadata"]["name"].as_str().unwrap_or_default();
    let ports = array(&service["spec"]["ports"]);
    let found = ports.iter().find(|candidate| {
        candidate["name"] == port
            || candidate["port"].as_u64().map(|n| n.to_string()).as_deref() == Some(port)
    });
    let Some(found) = found else {
        let known: Vec<String> = ports.iter().map(shown).collect();
        return Err(HttpError::NotReached {
            cause: format!(
                "the service {name} has no port {port}; it has {}",
                if known.is_empty() {
                    "none".to_owned()
                } else {
                    known.join(", ")
                }
            ),
        });
    };
    // Slices name their ports as the service does; an only port may have no name.
    let wanted = found["name"].as_str().unwrap_or_default();
    let mut ready = Vec::new();
    let (mut not_ready, mut not_pods) = (0, 0);
    for slice in slices {
        let number = array(&slice["ports"])
            .iter()
            .find(|port| port["name"].as_str().unwrap_or_default() == wanted)
            .and_then(|port| u16::try_from(port["port"].as_u64()?).ok());
        for endpoint in array(&slice["endpoints"]) {
            // Unknown counts as ready, says the API.
            if endpoint["conditions"]["ready"] == false {
                not_ready += 1;
                continue;
            }
            let target = &endpoint["targetRef"];
            match (target["kind"].as_str(), target["name"].as_str(), number) {
                (Some("Pod"), Some(pod), Some(port)) => ready.push(Endpoint {
                    pod: pod.to_owned(),
                    port,
                }),
                _ => not_pods += 1,
            }
        }
    }
    ready.into_iter().min().ok_or_else(|| HttpError::NotReached {
        cause: match (not_pods, not_ready) {
            (0, 0) => format!("the service {name} has no endpoints"),
            (0, _) => format!("none of the {not_ready} endpoints of the service {name} is ready"),
            _ => format!("the endpoints of the service {name} are no pods that a port can be forwarded to"),
        },
    })
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn shown(port: &Value) -> String {
    match port["name"].as_str() {
        Some(name) => format!("{} ({name})", port["port"]),
        None => port["port"].to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn service() -> Value {
        json!({"metadata": {"name": "web"}, "spec": {"ports": [
            {"name": "http", "port": 80, "targetPort": "main"}, {"name": "admin", "port": 8080}]}})
    }

    fn slice(pod: &str, ready: Value, port: u16) -> Value {
        json!({"ports": [{"name": "admin", "port": 1}, {"name": "http", "port": port}],
               "endpoints": [{"conditions": {"ready": ready}, "targetRef": {"kind": "Pod", "name": pod}}]})
    }

    #[test]
    fn the_first_ready_pod_is_taken_with_its_own_port() {
        let slices = [
            slice("c", json!(true), 8000),
            slice("b", Value::Null, 9000),
            slice("a", json!(false), 7000),
        ];
        for port in ["80", "http"] {
            let expected = Endpoint {
                pod: "b".to_owned(),
                port: 9000,
            };
            assert_eq!(choose(&service(), &slices, port), Ok(expected));
        }
        assert_eq!(choose(&service(), &slices, "admin").unwrap().port, 1);
    }

    #[test]
    fn a_port_without_a_name_is_matched() {
        let service = json!({"metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]}});
        let slice = json!({"ports": [{"name": "", "port": 5}],
                           "endpoints": [{"targetRef": {"kind": "Pod", "name": "a"}}]});
        assert_eq!(choose(&service, &[slice], "80").unwrap().port, 5);
    }

    #[test]
    fn what_is_missing_is_told() {
        let words = |slices: &[Value], port: &str| {
            choose(&service(), slices, port).unwrap_err().to_string()
        };
        assert_eq!(
            words(&[], "81"),
            "the service web has no port 81; it has 80 (http), 8080 (admin)"
        );
        assert_eq!(words(&[], "80"), "the service web has no endpoints");
        assert_eq!(
            words(&[slice("a", json!(false), 1)], "80"),
            "none of the 1 endpoints of the service web is ready"
        );
        let external = json!({"ports": [{"name": "http", "port": 5}], "endpoints": [{"addresses": ["10.0.0.1"]}]});
        assert_eq!(
            words(&[external], "80"),
            "the endpoints of the service web are no pods that a port can be forwarded to"
        );
    }
}
