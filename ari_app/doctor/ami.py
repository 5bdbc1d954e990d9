"""The check of Asterisk's manager interface, and what it says of the trunk."""

from ari_app.ami.client import open_ami
from ari_app.ami.trunk import trunk_name, trunk_state
from ari_app.config import Settings
from ari_app.doctor.finding import Finding
from ari_app.errors import AmiUnavailableError

NAME = "trunk_registration"


async def checks(settings: Settings) -> list[Finding]:
    """The trunk's registration and reachability; nothing where no AMI_URL is set."""
    if not settings.ami_url:
        return []
    facts = {"url": settings.ami_url, "trunk": trunk_name(settings)}
    try:
        async with open_ami(settings) as ami:
            state = await trunk_state(ami, trunk_name(settings))
    except AmiUnavailableError as error:
        fix = "KAKEHASHI_AMI_URL、KAKEHASHI_AMI_USERNAME、KAKEHASHI_AMI_PASSWORD と manager.conf を確認してください"
        return [Finding("ami", False, "AMI {url} を使えません（{reason}）", fix, facts | {"reason": error.reason})]
    facts |= {"registration": state.registration or "", "contact": state.contact or ""}
    if not state.registered:
        fix = "KAKEHASHI_TRUNK_USERNAME と KAKEHASHI_TRUNK_PASSWORD を確認してください（pjsip show registrations）"
        return [Finding(NAME, False, "トランク {trunk} の登録状態は {registration} です", fix, facts)]
    if not state.reachable:
        fix = "通信事業者への経路と KAKEHASHI_TRUNK_HOST を確認してください（pjsip show contacts）"
        return [Finding(NAME, False, "トランク {trunk} の通信事業者が応答しません", fix, facts)]
    if state.registration is None:
        return [Finding(NAME, True, "トランク {trunk} は登録を使いません", facts=facts)]
    return [Finding(NAME, True, "トランク {trunk} は登録されています", facts=facts)]
