//! `http`: a request to a Service in the cluster, or from this machine.

use crate::spec::decode::{Decoder, Field, Fields, pinned};
use crate::spec::schema::{HttpSpec, HttpToSpec, VerbSpec};
use crate::yaml::NodeKind;

impl Decoder<'_> {
    pub(super) fn http(&mut self, field: Field<'_>, expect: Option<Field<'_>>) -> Option<VerbSpec> {
        let tls = expect.and_then(|expect| match &expect.node.kind {
            NodeKind::Map(entries) => entries.iter().find(|(name, _)| name.value == "tls"),
            _ => None,
        });
        let tls = tls.map(|(name, _)| name.span);
        let expect = self.http_expect(expect, "http", true);
        if let NodeKind::String(text) = &field.node.kind {
            let help = format!("write {{url: {text:?}}}");
            self.expected(field, "a map", Some(&help));
            return None;
        }
        let mut fields = self.fields(field, "`http`")?;
        let http = HttpSpec {
            to: self.http_to(&mut fields),
            method: self.optional_text(&mut fields, "method"),
            headers: self.named_texts(&mut fields, "headers"),
            body: fields.optional("body").map(pinned),
            ca: self.optional_text(&mut fields, "ca"),
            tls,
            expect,
        };
        self.finish_verb(fields, "http");
        Some(VerbSpec::Http(http))
    }

    fn http_to(&mut self, fields: &mut Fields<'_>) -> Option<HttpToSpec> {
        let service = fields.optional("service");
        let url = fields.optional("url");
        let of_service =
            ["port", "namespace", "path", "scheme", "via"].map(|name| fields.optional(name));
        let resolve = fields.optional("resolve");
        if let (Some(service), Some(url)) = (service, url) {
            self.exclude(service, url, "a request goes to one of them");
            return None;
        }
        if let Some(url) = url {
            for extra in of_service.into_iter().flatten() {
                self.exclude(url, extra, "the whole address stands in `url`");
            }
            return Some(HttpToSpec::Url {
                url: self.text(url),
                resolve: resolve.and_then(|resolve| self.text(resolve)),
            });
        }
        let Some(service) = service else {
            if fields.is_complete_but_for(&["service", "url"]) {
                self.report_with_help(
                    fields.span,
                    "`http` needs `service` or `url`",
                    "write {service: web, port: 80} or {url: \"https://…\"}",
                );
            }
            return None;
        };
        if let Some(resolve) = resolve {
            self.exclude(service, resolve, "only the host of a `url` is resolved");
        }
        let [port, namespace, path, scheme, via] = of_service;
        if port.is_none() {
            self.report_with_help(
                service.key,
                "a `service` needs its `port`",
                "write its number or its name beside it: {service: web, port: 80}",
            );
        }
        Some(HttpToSpec::Service {
            service: self.text(service),
            port: port.map(pinned),
            namespace: namespace.and_then(|namespace| self.text(namespace)),
            path: path.and_then(|path| self.text(path)),
            scheme: scheme
                .and_then(|scheme| self.choice(scheme, &[("http", "http"), ("https", "https")])),
            forwards: via
                .and_then(|via| self.choice(via, &[("proxy", false), ("portForward", true)]))
                .unwrap_or(false),
        })
    }
}
