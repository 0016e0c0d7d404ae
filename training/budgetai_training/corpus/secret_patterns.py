"""What secrets look like to detect-secrets, beside the patterns that the server knows too.

None of detect-secrets' verifications run: they would send what they find over the network. Its
patterns for public addresses are left out, version numbers look the same; those for private keys,
URLs and JSON web tokens are replaced by ours, which take the secret to its end. Those that read
assignments (Cloudant, IBM, SoftLayer, npm) take a time cubic in a run of spaces, which a file can
have to stop us; ours for tokens in general stand in for them.
"""

from collections.abc import Sequence
from functools import cache

from detect_secrets.plugins import (
    artifactory,
    aws,
    azure_storage_key,
    discord,
    github_token,
    gitlab_token,
    mailchimp,
    openai,
    pypi_token,
    sendgrid,
    slack,
    square_oauth,
    stripe,
    telegram_token,
    twilio,
)

from budgetai_core.repository.secrets import Pattern

# Their patterns fit words and hashes as well.
_BY_NAME_ALONE = {"artifactory-key", "twilio-key", "mailchimp-key"}


@cache
def library_patterns() -> Sequence[Pattern]:
    """Return the patterns of detect-secrets' plugins."""
    table = (
        ("aws-key", aws.AWSKeyDetector, "A3T ABIA ACCA AKIA ASIA aws AWS Aws"),
        ("artifactory-key", artifactory.ArtifactoryDetector, "AKC AP"),
        ("azure-key", azure_storage_key.AzureStorageKeyDetector, "AccountKey="),
        ("discord-token", discord.DiscordBotTokenDetector, "M N O"),
        ("github-token", github_token.GitHubTokenDetector, "ghp_ gho_ ghu_ ghs_ ghr_"),
        ("gitlab-token", gitlab_token.GitLabTokenDetector, "gl GR1348941"),
        ("mailchimp-key", mailchimp.MailchimpDetector, "-us"),
        ("openai-key", openai.OpenAIDetector, "T3BlbkFJ"),
        ("pypi-token", pypi_token.PypiTokenDetector, "pypi-"),
        ("sendgrid-key", sendgrid.SendGridDetector, "SG."),
        ("slack-token", slack.SlackDetector, "xox XOX hooks.slack.com"),
        ("square-key", square_oauth.SquareOAuthDetector, "sq0csp-"),
        ("stripe-key", stripe.StripeDetector, "k_live_"),
        ("telegram-token", telegram_token.TelegramBotTokenDetector, ":"),
        ("twilio-key", twilio.TwilioKeyDetector, "AC SK"),
    )
    return [
        Pattern(kind, expression, tuple(anchors.split()), kind in _BY_NAME_ALONE)
        for kind, plugin, anchors in table
        for expression in plugin.denylist
    ]
