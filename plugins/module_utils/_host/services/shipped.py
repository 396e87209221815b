# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is told of the services in entries.py beside the web servers; service_table.py has the schema, docs/services.md what of it was tried."""

import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.services import entries

Entry = t.Dict[str, t.Any]


def _ports(setting: str, port: t.Optional[int], protocol: str = "tls", **more: t.Any) -> Entry:
    return dict({"setting": [setting] if setting else [], "port": port, "protocol": protocol}, **more)


_KUBELET = "/var/lib/kubelet/pki/"
_SECURITY = "plugins.security.ssl."


def _mysql(*settings: str) -> t.List[str]:
    return [f"{group}.{setting}" for setting in settings for group in ("mariadbd", "mariadb", "mysqld", "server")]


def _postfix(who: str) -> t.List[Entry]:
    client = who == "smtp"
    prefix = f"{who}_tls_"
    return [
        {"certificate": prefix + "chain_files", "client": client},
        {"certificate": prefix + "cert_file", "key": prefix + "key_file", "client": client},
        {"certificate": prefix + "eccert_file", "key": prefix + "eckey_file", "client": client},
        {"chain": prefix + "cafile"},
        {"folder": prefix + "capath"},
    ]


def _elastic(prefix: str, client: bool = False) -> t.List[Entry]:
    return [
        {"certificate": prefix + "certificate", "key": prefix + "key", "client": client},
        {"chain": prefix + "certificate_authorities"},
        {"store": prefix + "keystore.path", "client": client},
        {"store": prefix + "truststore.path", "client": True},
    ]


def _opensearch(prefix: str, client: bool = False) -> t.List[Entry]:
    return [
        {"certificate": prefix + "pemcert_filepath", "key": prefix + "pemkey_filepath", "client": client},
        {"chain": prefix + "pemtrustedcas_filepath"},
        {"store": prefix + "keystore_filepath", "client": client},
        {"store": prefix + "truststore_filepath", "client": True},
    ]


def _etcd(section: str, prefix: str) -> t.List[Entry]:
    """Of a section of its YAML, of an option, and of a variable of its environment, which Debian and Red Hat have in a file."""

    def names(setting: str) -> t.List[str]:
        return [f"{section}.{setting}", f"{prefix}{setting}", f"etcd_{prefix}{setting}"]

    return [{"certificate": names("cert_file"), "key": names("key_file")}, {"chain": names("trusted_ca_file")}]


_MYSQL: Entry = {
    "syntax": "lines",
    "configuration_arguments": {"--defaults-file": ""},
    "reads_as": "mysql",
    "reads": {
        "includes": ["!include", "!includedir"],
        "base": [*_mysql("datadir"), "/var/lib/mysql"],
        "files": [
            {"certificate": _mysql("ssl_cert"), "key": _mysql("ssl_key")},
            {"chain": _mysql("ssl_ca")},
            {"folder": _mysql("ssl_capath")},
            {"certificate": "client.ssl_cert", "key": "client.ssl_key", "client": True},
        ],
        "ports": [{"setting": _mysql("port"), "port": 3306, "protocol": "mysql", "address": _mysql("bind_address")}],
    },
}

_LIBVIRT: Entry = {
    "syntax": "lines",
    "configuration_arguments": {"-f": "", "--config": ""},
    "reload": "restart",
    "reads": {
        "files": [
            {"certificate": ["cert_file", "/etc/pki/libvirt/servercert.pem"], "key": ["key_file", "/etc/pki/libvirt/private/serverkey.pem"]},
            {"certificate": "/etc/pki/libvirt/clientcert.pem", "key": "/etc/pki/libvirt/private/clientkey.pem", "client": True},
            {"certificate": "/etc/pki/qemu/server-cert.pem", "key": "/etc/pki/qemu/server-key.pem", "client": True},
            {"chain": ["ca_file", "/etc/pki/CA/cacert.pem"]},
        ],
        "ports": [_ports("tls_port", 16514)],
    },
}

FILE_DEFAULTS: Entry = {"certificate": [], "key": [], "chain": [], "folder": [], "store": [], "client": False, "when": {}}
PORT_DEFAULTS: Entry = {"setting": [], "address": [], "port": None, "protocol": "tls", "when": {}}
_TRUTHS = {True: ["true", "yes", "on", "1"], False: ["false", "no", "off", "0"]}  # what configurations write for them

_SHIPPED: t.Sequence[Entry] = (
    {
        "name": "postfix",
        "syntax": "lines",
        "argument": "postfix",
        "unit": "postfix.service",
        "validate": ["postfix", "check"],
        "validates": "syntax",
        "reload": "dies_on_error",
        "reads": {
            "continued": True,
            "files": _postfix("smtpd") + _postfix("smtp"),
            "ports": [_ports("", 25, "smtp"), _ports("", 465), _ports("", 587, "smtp")],
        },
    },
    {
        "name": "dovecot",
        "syntax": "lines",
        "configuration_arguments": {"-c": ""},
        "unit": "dovecot.service",
        "validate": ["doveconf", "-c", "{configuration}"],
        "validates": "syntax",
        "reload": "dies_on_error",
        "reads": {
            "scopes": ["local_name", "local"],
            "includes": ["!include", "!include_try"],
            "names": ["local_name"],
            "files": [
                {"certificate": ["ssl_cert", "ssl_server_cert_file"], "key": ["ssl_key", "ssl_server_key_file"]},
                {"certificate": "ssl_alt_cert", "key": "ssl_alt_key"},
                {"chain": ["ssl_ca", "ssl_server_ca_file"]},
                {"certificate": ["ssl_client_cert", "ssl_client_cert_file"], "key": ["ssl_client_key", "ssl_client_key_file"], "client": True},
                {"chain": "ssl_client_ca_file"},
                {"folder": "ssl_client_ca_dir"},
            ],
            "ports": [
                dict(row, when={"ssl": ["yes", "required", None]})
                for row in (
                    _ports("service imap_login.inet_listener imaps.port", 993),
                    _ports("service pop3_login.inet_listener pop3s.port", 995),
                    _ports("service imap_login.inet_listener imap.port", 143, "imap"),
                    _ports("service pop3_login.inet_listener pop3.port", 110, "pop3"),
                    _ports("service managesieve_login.inet_listener sieve.port", 4190, "sieve"),
                    _ports("service submission_login.inet_listener submission.port", 587, "smtp"),
                    _ports("service submission_login.inet_listener submissions.port", 465),
                )
            ],
        },
    },
    {
        "name": "exim",
        "syntax": "exim",
        "configuration_arguments": {"-C": ""},
        "unit": "exim4.service",
        "validate": ["exim", "-C", "{configuration}", "-bV"],
        "validates": "syntax",
        "reload": "dies_on_error",
        "reads": {
            "files": [
                {"certificate": "tls_certificate", "key": "tls_privatekey"},
                {"chain": "tls_verify_certificates"},
            ],
            "ports": [
                _ports("tls_on_connect_ports", 465),
                _ports("", 25, "smtp"),
                _ports("", 587, "smtp"),
            ],
        },
    },
    {
        "name": "postgresql",
        "syntax": "lines",
        "configuration_arguments": {"config_file=": "", "-D": "postgresql.conf"},
        "unit": "postgresql@{instance}.service",
        "reload": "keeps_old_on_error",
        "reads_as": "postgres",
        "reads": {
            "includes": ["include", "include_dir", "include_if_exists"],
            "base": ["data_directory"],
            "also": ["postgresql.auto.conf"],
            "files": [
                {"certificate": ["ssl_cert_file", "./server.crt"], "key": ["ssl_key_file", "./server.key"], "when": {"ssl": True}},
                {"chain": "ssl_ca_file"},
            ],
            "ports": [_ports("port", 5432, "postgres", address=["listen_addresses"], when={"ssl": True})],
        },
    },
    dict(
        _MYSQL,
        name="mariadb",
        unit="mariadb.service",
        reload="keeps_old_on_error",
        reload_command=["mariadb-admin", "flush-ssl"],
    ),
    dict(
        _MYSQL,
        name="mysql",
        unit="mysqld.service",
        reload="restart",  # ALTER INSTANCE RELOAD TLS is refused where ssl_ca, of which mysqld makes one, did not sign the certificate
        reads=dict(
            _MYSQL["reads"],
            files=[{"certificate": [*_mysql("ssl_cert"), "./server-cert.pem"], "key": [*_mysql("ssl_key"), "./server-key.pem"]}, *_MYSQL["reads"]["files"][1:]],
        ),
    ),
    {
        "name": "slapd",
        "syntax": "lines",
        "configuration_arguments": {"-F": "cn=config.ldif", "-f": ""},
        "unit": "slapd.service",
        "reload": "restart",
        "reads": {
            "continued": True,
            "includes": ["include"],
            "files": [
                {"certificate": ["olctlscertificatefile", "tlscertificatefile"], "key": ["olctlscertificatekeyfile", "tlscertificatekeyfile"]},
                {"chain": ["olctlscacertificatefile", "tlscacertificatefile"]},
                {"folder": ["olctlscacertificatepath", "tlscacertificatepath"]},
            ],
            "ports": [_ports("", 636), _ports("", 389, "ldap")],
        },
    },
    {
        "name": "redis",
        "syntax": "lines",
        "unit": "redis-server.service",
        "reload": "restart",
        "reads": {
            "includes": ["include"],
            "files": [
                {"certificate": "tls_cert_file", "key": "tls_key_file"},
                {"certificate": "tls_client_cert_file", "key": "tls_client_key_file", "client": True},
                {"chain": "tls_ca_cert_file"},
                {"folder": "tls_ca_cert_dir"},
            ],
            "ports": [_ports("tls_port", None, address=["bind"])],
        },
    },
    {
        "name": "rabbitmq",
        "syntax": "lines",
        "argument": "rabbit",
        "unit": "rabbitmq-server.service",
        "reload": "restart",
        "reads_as": "rabbitmq",
        "reads": {
            "files": [
                {"certificate": "ssl_options.certfile", "key": "ssl_options.keyfile"},
                {"certificate": "management.ssl.certfile", "key": "management.ssl.keyfile"},
                {"certificate": "prometheus.ssl.certfile", "key": "prometheus.ssl.keyfile"},
                {"chain": ["ssl_options.cacertfile"]},
                {"chain": ["management.ssl.cacertfile"]},
            ],
            "ports": [_ports("listeners.ssl.*", None), _ports("management.ssl.port", None), _ports("mqtt.listeners.ssl.*", None)],
        },
    },
    {
        "name": "mosquitto",
        "syntax": "lines",
        "configuration_arguments": {"-c": "", "--config-file": ""},
        "unit": "mosquitto.service",
        "reload": "dies_on_error",
        "reads_as": "mosquitto",
        "reads": {
            "scopes": ["listener", "connection"],
            "includes": ["include_dir"],
            "files": [
                {"certificate": "certfile", "key": "keyfile"},
                {"chain": "cafile"},
                {"folder": "capath"},
                {"certificate": "bridge_certfile", "key": "bridge_keyfile", "client": True},
                {"chain": "bridge_cafile"},
            ],
            "ports": [_ports("listener", None), _ports("port", None)],
        },
    },
    {
        "name": "vsftpd",
        "syntax": "lines",
        "configuration_arguments": {"": ""},
        "unit": "vsftpd.service",
        "reload": "restart",
        "reads": {
            "files": [
                {"certificate": "rsa_cert_file", "key": "rsa_private_key_file"},
                {"certificate": "dsa_cert_file", "key": "dsa_private_key_file"},
                {"chain": "ca_certs_file"},
            ],
            "ports": [
                _ports("listen_port", 21, "ftp", when={"ssl_enable": True, "implicit_ssl": [False, None]}),
                _ports("listen_port", 990, when={"ssl_enable": True, "implicit_ssl": True}),
            ],
        },
    },
    {
        "name": "proftpd",
        "syntax": "lines",
        "configuration_arguments": {"-c": "", "--config": ""},
        "unit": "proftpd.service",
        "validate": ["proftpd", "-t", "-c", "{configuration}"],
        "validates": "syntax",
        "reload": "by_itself",
        "reads": {
            "scopes": ["virtualhost"],
            "includes": ["include"],
            "files": [
                {"certificate": "tlsrsacertificatefile", "key": "tlsrsacertificatekeyfile", "chain": "tlscertificatechainfile"},
                {"certificate": "tlseccertificatefile", "key": "tlseccertificatekeyfile", "chain": "tlscertificatechainfile"},
                {"store": "tlspkcs12file"},
                {"chain": "tlscacertificatefile"},
                {"folder": "tlscacertificatepath"},
            ],
            "ports": [
                _ports("port", 21, "ftp", when={"tlsengine": True, "tlsoptions": [None]}),
                _ports("port", 990, when={"tlsengine": True, "tlsoptions": ["useimplicitssl"]}),
            ],
        },
    },
    {
        "name": "stunnel",
        "syntax": "lines",
        "configuration_arguments": {"": ""},
        "unit": "stunnel4.service",
        "reload": "keeps_old_on_error",
        "reads": {
            "scopes": ["*"],
            "includes": ["include"],
            "files": [
                {"certificate": "cert", "key": "key", "when": {"client": [False, None]}},
                {"certificate": "cert", "key": "key", "client": True, "when": {"client": True}},
                {"chain": "cafile"},
                {"folder": "capath"},
            ],
            "ports": [
                _ports("accept", None, protocol, when={"client": [False, None], "protocol": [word]})
                for protocol, word in (("tls", None), ("smtp", "smtp"), ("imap", "imap"), ("pop3", "pop3"), ("postgres", "pgsql"))
            ],
        },
    },
    {
        "name": "tomcat",
        "syntax": "xml",
        "configuration_arguments": {"-Dcatalina.base=": "conf/server.xml"},
        "argument": "-Dcatalina.base=",
        "reload": "restart",
        "reads": {
            "scopes": ["connector", "sslhostconfig", "certificate"],
            "base": ["catalina.base", "./.."],
            "names": ["hostname"],
            "files": [
                {
                    "certificate": ["certificatefile", "sslcertificatefile"],
                    "key": ["certificatekeyfile", "sslcertificatekeyfile"],
                    "chain": ["certificatechainfile", "sslcertificatechainfile"],
                },
                {"store": ["certificatekeystorefile", "keystorefile"]},
                {"store": ["truststorefile"], "client": True},
                {"chain": ["cacertificatefile", "sslcacertificatefile"]},
            ],
            "ports": [_ports("port", None, address=["address"], when={"sslenabled": True})],
        },
    },
    {
        "name": "prosody",
        "syntax": "prosody",
        "argument": "prosody",
        "configuration_arguments": {"--config": ""},
        "unit": "prosody.service",
        "reload": "dies_on_error",
        "reads_as": "prosody",
        "reads": {
            "names": ["virtualhost", "component"],
            "files": [
                {"certificate": "ssl.certificate", "key": "ssl.key"},
                {"certificate": "https_ssl.certificate", "key": "https_ssl.key"},
                {"certificate": "https_certificate", "key": "https_key"},
                {"certificate": "c2s_direct_tls_ssl.certificate", "key": "c2s_direct_tls_ssl.key"},
                {"chain": ["ssl.cafile"]},
            ],
            "ports": [_ports("c2s_ports", 5222, "xmpp"), _ports("c2s_direct_tls_ports", 5223), _ports("s2s_ports", 5269, "xmpp-server")],
        },
    },
    {
        "name": "ejabberd",
        "syntax": "yaml",
        "argument": "ejabberd",
        "unit": "ejabberd.service",
        "reload": "dies_on_error",
        "reload_command": ["ejabberdctl", "reload-config"],
        "reads_as": "ejabberd",
        "reads": {
            "scopes": ["listen"],
            "names": ["hosts"],
            "files": [{"certificate": ["certfiles", "certfile"]}, {"chain": "ca_file"}],
            "ports": [
                _ports("port", None, when={"tls": True, "starttls": [False, None]}),
                _ports("port", None, "xmpp", when={"module": ["ejabberd_c2s"], "tls": [False, None]}),
                _ports("port", None, "xmpp-server", when={"module": ["ejabberd_s2s_in"]}),
            ],
        },
    },
    {
        "name": "squid",
        "syntax": "lines",
        "configuration_arguments": {"-f": ""},
        "unit": "squid.service",
        "validate": ["squid", "-k", "parse", "-f", "{configuration}"],
        "validates": "pair",
        "reload": "dies_on_error",
        "reads": {
            "scopes": ["https_port", "http_port"],
            "includes": ["include"],
            "files": [
                {"certificate": ["tls_cert", "cert"], "key": ["tls_key", "key"]},
                {"chain": ["tls_cafile", "clientca", "cafile"]},
            ],
            "ports": [_ports("https_port", None)],
        },
    },
    {
        "name": "cockpit",
        "syntax": "folder",
        "unit": "cockpit.service",
        "reload": "restart",
        "loads_folder": True,
        "reads": {"files": [{"certificate": "certificate", "key": "key"}], "ports": [_ports("", 9090)]},
    },
    dict(_LIBVIRT, name="libvirt", unit="libvirtd.service"),
    dict(_LIBVIRT, name="virtproxyd", unit="virtproxyd.service"),  # contract-tested, not run against the product
    {
        "name": "docker",
        "syntax": "yaml",
        "configuration_arguments": {"--config-file": ""},
        "unit": "docker.service",
        "reload": "restart",
        "reads": {
            "files": [{"certificate": "tlscert", "key": "tlskey"}, {"chain": "tlscacert"}],
            "ports": [_ports("hosts", 2376), _ports("h", None), _ports("host", None)],
        },
    },
    {
        "name": "containerd",
        "syntax": "lines",
        "configuration_arguments": {"-c": "", "--config": ""},
        "unit": "containerd.service",
        "reload": "restart",
        "reads": {
            "files": [
                {"certificate": "grpc.tcp_tls_cert", "key": "grpc.tcp_tls_key"},
                {"certificate": "*.tls.cert_file", "key": "*.tls.key_file", "client": True},
                {"chain": "grpc.tcp_tls_ca"},
                {"chain": "*.tls.ca_file"},
            ],
            "ports": [_ports("grpc.tcp_address", None)],
        },
    },
    {
        "name": "kubelet",  # contract-tested, not run against the product
        "syntax": "yaml",
        "configuration_arguments": {"--config": ""},
        "unit": "kubelet.service",
        "reload": "restart",
        "reads": {
            "files": [
                {
                    "certificate": ["tlscertfile", "tls_cert_file", _KUBELET + "kubelet-server-current.pem", _KUBELET + "kubelet.crt"],
                    "key": ["tlsprivatekeyfile", "tls_private_key_file", _KUBELET + "kubelet-server-current.pem", _KUBELET + "kubelet.key"],
                },
                {"certificate": _KUBELET + "kubelet-client-current.pem", "client": True},
                {"chain": ["authentication.x509.clientcafile", "client_ca_file"]},
            ],
            "ports": [_ports("port", 10250)],
        },
    },
    {
        "name": "etcd",
        "syntax": "yaml",
        "configuration_arguments": {"--config-file": ""},
        "unit": "etcd.service",
        "reload": "by_itself",
        "reads": {
            "files": _etcd("client_transport_security", "") + _etcd("peer_transport_security", "peer_"),
            "ports": [{"setting": [f"listen_{who}_urls", f"etcd_listen_{who}_urls"], "port": port} for who, port in (("client", 2379), ("peer", 2380))],
        },
    },
    {
        "name": "kube-apiserver",  # contract-tested, not run against the product
        "syntax": "arguments",
        "reload": "by_itself",
        "reads": {
            "files": [
                {"certificate": "tls_cert_file", "key": "tls_private_key_file"},
                {"certificate": "kubelet_client_certificate", "key": "kubelet_client_key", "client": True},
                {"certificate": "etcd_certfile", "key": "etcd_keyfile", "client": True},
                {"chain": "client_ca_file"},
                {"chain": "etcd_cafile"},
            ],
            "ports": [_ports("secure_port", 6443)],
        },
    },
    {
        "name": "prometheus",  # and its exporters, which share the way they are configured
        "syntax": "yaml",
        "configuration_arguments": {"--web.config.file": "", "--web.config": ""},
        "reload": "by_itself",
        "reads": {
            "files": [
                {"certificate": "tls_server_config.cert_file", "key": "tls_server_config.key_file"},
                {"chain": "tls_server_config.client_ca_file"},
            ],
            "ports": [_ports("web.listen_address", port) for port in (9100, 9090, 9091, 9093, 9115, 9187, 9104, 9117)],
        },
    },
    {
        "name": "elasticsearch",  # contract-tested, not run against the product
        "syntax": "yaml",
        "configuration_arguments": {"-Des.path.conf=": "elasticsearch.yml"},
        "argument": "org.elasticsearch",
        "unit": "elasticsearch.service",
        "reload": "by_itself",
        "reads_as": "elasticsearch",
        "reads": {
            "files": _elastic("xpack.security.http.ssl.") + _elastic("xpack.security.transport.ssl."),
            "ports": [_ports("http.port", 9200), _ports("transport.port", 9300)],
        },
    },
    {
        "name": "opensearch",  # contract-tested, not run against the product
        "syntax": "yaml",
        "configuration_arguments": {"-Dopensearch.path.conf=": "opensearch.yml"},
        "argument": "org.opensearch",
        "unit": "opensearch.service",
        "reload": "restart",
        "reads_as": "opensearch",
        "reads": {
            "files": _opensearch(_SECURITY + "http.") + _opensearch(_SECURITY + "transport."),
            "ports": [_ports("http.port", 9200), _ports("transport.port", 9300)],
        },
    },
    {
        "name": "grafana",  # contract-tested, not run against the product
        "syntax": "lines",
        "configuration_arguments": {"--config": ""},
        "unit": "grafana-server.service",
        "reload": "restart",
        "reads_as": "grafana",
        "reads": {
            "files": [
                {"certificate": "server.cert_file", "key": "server.cert_key"},
                {"certificate": "database.client_cert_path", "key": "database.client_key_path", "client": True},
                {"chain": "database.ca_cert_path"},
                {"chain": "auth.ldap.root_ca_cert"},
            ],
            "ports": [_ports("server.http_port", 3000, when={"server.protocol": ["https", "h2"]})],
        },
    },
)
_BY_NAME = {entry["name"]: entry for entry in _SHIPPED}


def entry_of(name: str) -> Entry:
    """The complete entry of a name of entries.OTHERS."""
    configurations, processes = entries.OTHERS[name]
    entry = entries.completed(dict(_BY_NAME[name], configurations=list(configurations), processes=list(processes)))
    for part, defaults in (("files", FILE_DEFAULTS), ("ports", PORT_DEFAULTS)):
        entry["reads"][part] = [completed_row(row, defaults) for row in entry["reads"][part]]
    entry["reads"].update((setting, names_of(entry["reads"][setting])) for setting in ("names", "base"))
    return entry


def completed_row(row: Entry, defaults: Entry) -> Entry:
    """A row of files or ports with every key, each in the one form that the readers know."""
    complete: Entry = {key: names_of(value) if isinstance(defaults[key], list) else value for key, value in dict(defaults, **row).items()}
    complete["when"] = accepted_of(complete["when"])
    return complete


def names_of(value: t.Any) -> t.Any:
    """A list of names, of one name, too."""
    return [value] if isinstance(value, str) else list(value)


def accepted_of(when: t.Dict[str, t.Any]) -> t.Dict[str, t.List[t.Optional[str]]]:
    """The values that settings must have, as configurations write them, a truth in each of its ways."""
    return {setting: [text for each in (value if isinstance(value, list) else [value]) for text in _spelled(each)] for setting, value in when.items()}


def _spelled(value: t.Any) -> t.List[t.Optional[str]]:
    return [*_TRUTHS[value]] if isinstance(value, bool) else [value and value.lower()]
