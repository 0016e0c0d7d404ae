"""Made-up secrets of many kinds, with the code they stand in: none of them may be learned."""

# Put together from pieces, so that no scanner takes this file for a leak.
BODY = "aB3dE5fG7hJ9kL1mN2pQ4rS6tU8vW0xYz"
LONG = "q7Rk2Vw9Zx4Lm8Nb3Tc6Hd1Jf5Gs0PyKuEiOa7Wq2"
HEX = "8f14e45fceea167a5a36dedd4bea2543c9f0f895fb98ab9159f51fd0297e236d"
KEY_LINES = ["MIIEowIBAAKCAQEAx" + LONG, LONG[::-1] + "AbC9", "Zm9vYmFy" + LONG]


def pem(kind: str) -> str:
    return "\n".join([f"-----BEGIN {kind}-----", *KEY_LINES, f"-----END {kind}-----"])


# Kind, a piece of code with {} in it, and the secret that stands there.
CANARIES: dict[str, tuple[str, str]] = {
    "aws id": ("key = '{}'", "AKI" + "AQ3EGRZ7T2YBN4K5P"),
    "aws secret": ('aws_secret_access_key = "{}"', "wJalrX9tnFEMI/K7MDENG/bPxRfiCYzb4Q8kLmVn"),
    "github": ("login('{}')", "gh" + "p_" + BODY + "1234"),
    "github fine-grained": ("# was {}", "github" + "_pat_11ABCDEFG0" + LONG),
    "gitlab": ("t = '{}'", "glp" + "at-" + BODY[:20]),
    "slack": ('SLACK = "{}"', "xo" + "xb-123456789012-1234567890123-" + BODY[:24]),
    "slack webhook": (
        'post("https://hooks.slack.com/services/{}")', "T0AB12CD3/B0EF45GH6/" + BODY[:24],
    ),
    "stripe": ("stripe.api_key = '{}'", "sk" + "_live_" + BODY[:24]),
    "google": ("maps(key='{}')", "AI" + "zaSy" + LONG[:33]),
    "openai": ("client = OpenAI('{}')", "sk" + "-proj-" + BODY + "T3Blbk" + "FJ" + BODY),
    "anthropic": ("ask('{}')", "sk" + "-ant-api03-" + LONG + "-" + BODY + "AA"),
    "json web token": (
        "h = 'Bearer {}'", "ey" + "JhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0." + LONG,
    ),
    "rsa key": ('K = """{}"""', pem("RSA PRIVATE KEY")),
    "openssh key": ('K = """\n{}\n"""', pem("OPENSSH PRIVATE KEY")),
    "ec key": ("K = '''{}'''", pem("EC PRIVATE KEY")),
    "basic auth": ("get('https://deploy:{}@git.corp.net/x')", "hunter2-Zebra"),
    "database": ('DSN = "postgresql://app:{}@db.corp.net:5432/shop"', "p@ssw0rd!Long"),
    "token in a url": ("get('https://api.corp.net/v1?limit=3&access_token={}')", BODY[:24]),
    "azure": (
        "c = 'DefaultEndpointsProtocol=https;AccountKey={};Suffix=x'",
        (LONG + LONG + BODY)[:86] + "==",
    ),
    "npm": ("n = '{}'", "np" + "m_" + BODY + "123"),
    "pypi": ("p = '{}'", "py" + "pi-AgEIcHlwaS5vcmc" + LONG + BODY),
    "sendgrid": ("s = '{}'", "S" + "G." + BODY[:22] + "." + (LONG + BODY)[:43]),
    "twilio": ("sid = '{}'", "A" + "C0123f5678d9ab4def0a2c4567b9abcd6f"),
    "telegram": ("bot('{}')", "110201543:A" + "A" + LONG[:33]),
    "password": ('password = "{}"', "Tr0ub4dor&3"),
    "password in words": ("db.connect(user='app', passwd='{}')", "swordfish"),
    "password in a dictionary": ("cfg = {{'db_password': '{}'}}", "letmein42x"),
    "password of words": ('PASSWORD = "MySecretPass123"', "MySecretPass123"),
    "odd password": ('pwd = "x(1]secret!"', "x(1]secret!"),
    "bearer": ("h = {{'Authorization': 'Bearer {}'}}", LONG),
    "api key": ('API_KEY = "{}"', "8f14e45fceea167a5a36dedd4bea2543"),
    "hugging face": ("hub('{}')", "hf" + "_" + BODY + "q"),
    "nameless": ("load('{}')", LONG + "+/9z" + BODY[:20]),
    "github after its name": ("# CLIENT_SECRET: {}", "gh" + "p_" + BODY + "5678"),
    "second of two": (
        "u = [{{'password': 'Tr0ub4dor&3'}}, {{'password': '{}'}}]", "qW9!rtyuX2",
    ),
    "password with a type": ('password: str = "{}"', "xK9!mnop"),
    "password of a field": ('cfg = {{"password" : "{}"}}', "hunter2hunter"),
    "password as an argument": ('os.environ.setdefault("DB_PASSWORD", "{}")', "zR7!quux42"),
    "password before a command": ('"""\nDB_PASSWORD={} ./run.sh\n"""', "Vb4dor3xkcd9"),
    "password compared": ("if '{}' == password: pass", "zR7!quux42"),
    "artifactory": ('u = "{}"', "AK" + "Cp8kQ2x9VbN4mT7wR"),
    "cloudant": ('cloudant_password = "{}"', HEX[:64]),
    "discord": ("run('{}')", "MT" + "k4NzY1NDMyMTA5ODc2NTQz.Gh7Kq2." + BODY[:27]),
    "gitlab runner": ("t = '{}'", "GR13" + "48941" + BODY[:20]),
    "ibm cloud": ('ibm_cloud_iam_api_key = "{}"', (BODY + LONG)[:44]),
    "ibm storage": ('cos_hmac_secret_access_key = "{}"', HEX[:48]),
    "mailchimp": ("m = '{}'", HEX[:32] + "-us" + "12"),
    "npm of a registry": ('n = "//registry.corp.net/:_authToken={}"', "np" + "m_" + BODY + "12"),
    "pypi of tests": ("p = '{}'", "py" + "pi-AgENdGVzdC5weXBpLm9yZw" + LONG + BODY),
    "slack of before": ("s = '{}'", "xo" + "xp-123456789012-210987654321-7f3a9c2e5b8d1f4a"),
    "softlayer": ('softlayer_api_key = "{}"', HEX[:64]),
    "square": ("s = '{}'", "sq0" + "csp-" + (BODY + LONG)[:43]),
    "stripe restricted": ("s = '{}'", "rk" + "_live_" + BODY[:24]),
    "telegram of another bot": ("bot('{}')", "110201543:B" + LONG[:34]),
    "twilio key": ("sid = '{}'", "S" + "K0123f5678d9ab4def0a2c4567b9abcd6f"),
    "groq": ("# export {}", "gs" + "k_" + BODY + BODY[:19]),
    "new relic": ("key = '{}'", "NR" + "AK-NWLAVYF4R6MP6AFQFJZ3KQTXBWD"),
    "age": ("# {}", "AGE-SECRET" + "-KEY-1" + "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L" * 2),
    "docker hub": ("login(token='{}')", "dc" + "kr_pat_" + BODY[:27]),
    "databricks": ("d = '{}'", "da" + "pi" + HEX[:32]),
    "atlassian": ("# {}", "ATA" + "TT3xFfGF0" + LONG + LONG + "=1A2B3C4D"),
    "terraform": ("# {}", BODY[:14] + ".atl" + "asv1." + LONG + BODY),
    "grafana": ("# {}", "gl" + "sa_" + BODY[:32] + "_1a2b3c4d"),
    "discord webhook": (
        "post('https://discord.com/api/webhooks/123456789012345678/{}')", LONG + BODY,
    ),
    "tailscale": ("# {}", "ts" + "key-auth-k1a2b3c4CNTRL-" + BODY),
    "doppler": ("# {}", "dp" + ".pt." + LONG),
    "dynatrace": (
        "d = '{}'", "dt" + "0c01." + BODY.upper()[:24] + "." + (LONG + BODY).upper()[:64],
    ),
    "figma": ("# {}", "fi" + "gd_" + LONG[:40]),
    "e-mail in capitals": ("# ask {}", "JOHN.ROE" + "@" + "ACME-CORP.COM"),
    "e-mail of a shop": ("# ask {}", "ann.poe" + "@" + "corner.shop"),
    "e-mail": ("# ask {}", "jane.doe" + "@" + "corp-mail.com"),
}  # fmt: skip
