//! `http`: who is asked, how, and what can be told of it before the run.

use crate::diagnostic::{Diagnostic, nearest};
use crate::plan::lower::check;
use crate::plan::lower::lowering::Lowering;
use crate::plan::lower::names::Names;
use crate::plan::model::{Http, HttpDestination, HttpWay, Verb};
use crate::source::Span;
use crate::spec::schema::{HttpSpec, HttpToSpec, Text};
use crate::template::{Template, Tree};
use crate::yaml::{Node, NodeKind};

impl Lowering<'_> {
    pub(super) fn http(&mut self, spec: &HttpSpec, names: &Names) -> Option<Verb> {
        let to = spec.to.as_ref().and_then(|to| self.http_to(to, names));
        if let (Some(to), Some(tls)) = (&spec.to, spec.tls) {
            self.check_tls(to, tls);
        }
        let method = match &spec.method {
            Some(method) => self.method(method),
            None => Some("GET".to_owned()),
        };
        for (name, _) in &spec.headers {
            if name.value.parse::<http::HeaderName>().is_err() {
                self.push(
                    name.span,
                    format!("`{}` is not the name of a header", name.value),
                    None,
                );
            }
        }
        let headers = self.named_templates(&spec.headers, names);
        let body = spec.body.as_ref().map(|body| self.tree(body, names));
        let ca = self.template(spec.ca.as_ref(), names);
        let expect = self.http_expectation(&spec.expect, names);
        Some(Verb::Http(Http {
            to: to?,
            method: method?,
            headers,
            body,
            ca,
            expect,
        }))
    }

    fn http_to(&mut self, spec: &HttpToSpec, names: &Names) -> Option<HttpDestination> {
        match spec {
            HttpToSpec::Service {
                service,
                port,
                namespace,
                path,
                scheme,
                forwards,
            } => {
                let name = self.template(service.as_ref(), names);
                let namespace = self.namespace_of(namespace.as_ref(), names);
                self.check_path(path.as_ref());
                let path = match path {
                    Some(path) => self.template(Some(path), names),
                    None => {
                        let span = service.as_ref().map(|service| service.span);
                        Some(self.literal("/", span.unwrap_or_default()))
                    }
                };
                let port = port.as_ref().map(|port| self.port(port, names));
                Some(HttpDestination::Service {
                    service: name?,
                    port: port?,
                    namespace,
                    path: path?,
                    scheme: scheme.unwrap_or("http").to_owned(),
                    via: if *forwards {
                        HttpWay::PortForward
                    } else {
                        HttpWay::Proxy
                    },
                })
            }
            HttpToSpec::Url { url, resolve } => {
                let resolve = self.template(resolve.as_ref(), names);
                let url = self.template(url.as_ref(), names)?;
                self.check_url(&url);
                Some(HttpDestination::Url { url, resolve })
            }
        }
    }

    fn check_url(&mut self, url: &Template) {
        if url.is_literal()
            && let Some(problem) = check::url_problem(url.source())
        {
            self.diagnostics.push(
                Diagnostic::new(
                    format!("`{}` is no address for `http`", url.source()),
                    url.place.clone(),
                )
                .help(problem),
            );
        }
    }

    /// A path of a server, as far as it is literal.
    pub(super) fn check_path(&mut self, path: Option<&Text>) {
        let Some(path) = path else { return };
        if !path.value.starts_with('/') && !path.value.starts_with('{') {
            self.push(
                path.span,
                format!("the path `{}` does not begin with /", path.value),
                Some(format!("write /{}", path.value)),
            );
        }
    }

    fn port(&mut self, node: &Node, names: &Names) -> Tree {
        const PORT: &str = "a port is a number from 1 to 65535, or the name that the Service \
                            gives it";
        let problem = match &node.kind {
            NodeKind::Number(number) => {
                let is_port = number
                    .as_u64()
                    .is_some_and(|port| (1..=65535).contains(&port));
                (!is_port).then_some(PORT)
            }
            NodeKind::String(text) if text.contains("{{") => None,
            NodeKind::String(text) => check::port_name_problem(text),
            _ => Some(PORT),
        };
        if let Some(problem) = problem {
            self.push(node.span, problem.to_owned(), None);
        }
        self.tree(node, names)
    }

    fn method(&mut self, text: &Text) -> Option<String> {
        let method = self.constant(text)?;
        if check::METHODS.contains(&method.as_str()) {
            return Some(method);
        }
        let help = match nearest(&method, check::METHODS) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("there are {}", check::METHODS.join(", ")),
        };
        self.push(
            text.span,
            format!("`{method}` is not a method of HTTP"),
            Some(help),
        );
        None
    }

    /// There must be a certificate to look at.
    fn check_tls(&mut self, to: &HttpToSpec, tls: Span) {
        let problem = match to {
            HttpToSpec::Url { url: Some(url), .. } if url.value.starts_with("http://") => {
                Some(("http:// has no certificate", "write https://"))
            }
            HttpToSpec::Service {
                forwards: false, ..
            } => Some((
                "the API server's proxy shows no certificate",
                "with `via: portForward` and `scheme: https` it is seen",
            )),
            HttpToSpec::Service { scheme, .. } if *scheme != Some("https") => {
                Some(("http has no certificate", "write `scheme: https`"))
            }
            _ => None,
        };
        if let Some((message, help)) = problem {
            self.push(tls, message.to_owned(), Some(help.to_owned()));
        }
    }
}
