"""Checks of Asterisk and the trunk, asked over HTTP and, where Asterisk runs on this machine, looked at directly.

Never over a WebSocket of the installation's own application: a second one takes the events from `serve`.
"""

import asyncio
import json
import re
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

from ari_app.ari.client import AriClient, AriError, open_client, open_reader
from ari_app.ari.events import parse_time
from ari_app.asterisk import instance
from ari_app.asterisk.config import Connection
from ari_app.config import PROJECT_ROOT, Settings
from ari_app.doctor.finding import Finding
from ari_app.errors import AsteriskNotRunningError
from ari_app.ports import SwitchError

MIN_VERSION = (22, 10, 1)  # earlier ones have known holes in ARI and AMI
CLOCK_TOLERANCE_S = 2
CONNECT_S = 5
PORTS_PER_CHANNEL = 2  # RTP and RTCP
PROBE_APP = "kakehashi-doctor"
PROMPTS = PROJECT_ROOT / "sounds" / "ja"
PROMPTS_IN_ASTERISK = Path("/usr/share/asterisk/sounds/ja/kakehashi")

# What a callback needs. Without bridge_holding a leg is never dialled, without res_pjsip_pubsub chan_pjsip does
# not load, and ARI reports neither.
MODULES = frozenset(
    {
        "bridge_holding.so",
        "bridge_simple.so",
        "chan_pjsip.so",
        "codec_ulaw.so",
        "format_wav.so",
        "func_callerid.so",
        "func_channel.so",
        "res_ari.so",
        "res_ari_applications.so",
        "res_ari_asterisk.so",
        "res_ari_bridges.so",
        "res_ari_channels.so",
        "res_ari_endpoints.so",
        "res_ari_events.so",
        "res_ari_playbacks.so",
        "res_http_websocket.so",
        "res_pjsip.so",
        "res_pjsip_caller_id.so",
        "res_pjsip_pubsub.so",
        "res_pjsip_sdp_rtp.so",
        "res_pjsip_session.so",
        "res_rtp_asterisk.so",
        "res_stasis.so",
        "res_stasis_playback.so",
    }
)
# Neither party's number may reach the other's phone, the number shown is ours to choose, the voice passes here.
TRUNK_OPTIONS = {
    "direct_media": "false",
    "send_pai": "true",
    "send_connected_line": "no",
    "trust_connected_line": "no",
}


async def checks(settings: Settings) -> list[Finding]:
    """Asterisk's findings; where it cannot be reached, that one only."""
    if not settings.ari_url:
        return [
            Finding(
                "ari", False, "Asterisk の接続先がありません", "kakehashi asterisk up、または KAKEHASHI_ARI_URL を設定"
            )
        ]
    access = (settings.ari_url, settings.ari_username, settings.ari_password.get_secret_value())
    async with open_reader(*access, settings.ari_app) as client:
        try:
            info = await client.fetch("asterisk/info")
            return [
                Finding("ari", True, "{url} に接続できます", facts={"url": settings.ari_url}),
                _version(info),
                await _clock(client),
                await _modules(client),
                await _application(client, access),
                await _trunk(client, settings),
                _rtp(settings),
                _prompts(settings),
            ]
        except SwitchError as error:
            return [_unreached(error, settings)]


def _unreached(error: SwitchError, settings: Settings) -> Finding:
    facts = {"url": settings.ari_url, "cause": str(error.__cause__ or error)}
    if isinstance(error, AriError) and error.status == HTTPStatus.UNAUTHORIZED:
        fix = "KAKEHASHI_ARI_USERNAME と KAKEHASHI_ARI_PASSWORD を Asterisk の ari.conf に合わせてください"
        return Finding("ari", False, "{url} がユーザ名とパスワードを拒否しました", fix, facts)
    fix = "kakehashi asterisk up、または KAKEHASHI_ARI_URL を確認してください"
    return Finding("ari", False, "{url} に接続できません（{cause}）", fix, facts)


def _version(info: dict[str, Any]) -> Finding:
    text = str(info["system"]["version"])
    numbers = tuple(map(int, re.findall(r"\d+", text)[:3]))
    least = ".".join(map(str, MIN_VERSION))
    facts = {"version": text, "least": least}
    fix = "Asterisk を {least} 以上にしてください（ARI と AMI の脆弱性の修正）"
    return Finding("asterisk_version", numbers >= MIN_VERSION, "Asterisk {version}", fix, facts)


async def _clock(client: AriClient) -> Finding:
    asked = datetime.now(UTC)
    told = parse_time((await client.fetch("asterisk/ping"))["timestamp"])
    off = max((asked - told).total_seconds(), (told - datetime.now(UTC)).total_seconds(), 0.0)
    fix = "両方のマシンで時刻同期（chrony など）を有効にしてください"
    return Finding("clock", off <= CLOCK_TOLERANCE_S, "Asterisk との時刻の差は {off}秒です", fix, {"off": f"{off:.1f}"})


async def _modules(client: AriClient) -> Finding:
    running = {module["name"] for module in await client.fetch("asterisk/modules") if module["status"] == "Running"}
    if missing := sorted(MODULES - running):
        fix = "modules.conf に load = {first} などを加えて Asterisk を再起動してください"
        facts = {"missing": ", ".join(missing), "first": missing[0]}
        return Finding("modules", False, "読み込まれていないモジュール: {missing}", fix, facts)
    return Finding("modules", True, "必要なモジュール {count}個が動いています", facts={"count": len(MODULES)})


async def _application(client: AriClient, access: tuple[str, str, str]) -> Finding:
    """Somebody holds the application's socket, or nobody does and it could be opened."""
    name, facts = "application", {"app": client.app}
    if await _found(client, f"applications/{client.app}"):
        return Finding(name, True, "アプリケーション {app} は接続されています", facts=facts)
    try:
        async with asyncio.timeout(CONNECT_S), open_client(*access, PROBE_APP) as probe:
            await probe.wait_connected()
    except TimeoutError:
        fix = "Asterisk の http.conf と res_http_websocket.so、途中のプロキシを確認してください"
        return Finding(name, False, "ARI の WebSocket を開けません", fix, facts)
    return Finding(name, True, "ARI の WebSocket を開けます（serve は動いていません）", facts=facts)


async def _trunk(client: AriClient, settings: Settings) -> Finding:
    """The endpoint of TRUNK_ENDPOINT is there, online, and set so that nobody's number leaks."""
    technology, _, place = settings.trunk_endpoint.partition("/")
    resource = place.rpartition("@")[2]
    name, facts = "trunk", {"trunk": f"{technology}/{resource}"}
    endpoint = await _found(client, f"endpoints/{technology}/{resource}")
    if endpoint is None:
        fix = "pjsip.conf に作るか、KAKEHASHI_TRUNK_ENDPOINT を直してください"
        return Finding(name, False, "トランク {trunk} がありません", fix, facts)
    if endpoint["state"] != "online":
        fix = "通信事業者への経路と KAKEHASHI_TRUNK_HOST を確認してください（pjsip show endpoint {resource}）"
        facts |= {"state": endpoint["state"], "resource": resource}
        return Finding(name, False, "トランク {trunk} の状態は {state} です", fix, facts)
    stored = await _found(client, f"asterisk/config/dynamic/res_pjsip/endpoint/{resource}") or []
    options = {option["attribute"]: option["value"] for option in stored}
    wrong = [f"{key} = {value}" for key, value in TRUNK_OPTIONS.items() if options.get(key, value) != value]
    if "ulaw" not in options.get("allow", "ulaw"):
        wrong.append("allow = ulaw")
    if wrong:
        fix = "pjsip.conf の [{resource}] に設定してください: {options}"
        facts |= {"resource": resource, "options": ", ".join(wrong)}
        return Finding(name, False, "トランク {trunk} の設定が発信に合いません", fix, facts)
    return Finding(name, True, "トランク {trunk} は使えます", facts=facts)


def _rtp(settings: Settings) -> Finding:
    """There are RTP ports for every channel of 同時通話数."""
    connection = _local(settings)
    if connection is None:
        return Finding("rtp_ports", True, "このマシンの Asterisk ではないため確認していません（rtp.conf）")
    first, last = connection.rtp_ports
    channels = (last - first + 1) // PORTS_PER_CHANNEL
    facts = {"first": first, "last": last, "channels": channels, "limit": settings.channel_limit}
    fix = "kakehashi asterisk up --rtp-ports A-B で広げるか、KAKEHASHI_CHANNEL_LIMIT を下げてください"
    detail = "RTP ポート {first}-{last} は {channels}チャネル分です（同時通話数 {limit}）"
    return Finding("rtp_ports", channels >= settings.channel_limit, detail, fix, facts)


def _prompts(settings: Settings) -> Finding:
    """Asterisk finds the spoken prompts."""
    connection = _local(settings)
    if connection is None:
        return Finding("prompts", True, "このマシンの Asterisk ではないため確認していません（sounds/ja）")
    files = [str(PROMPTS_IN_ASTERISK / file.name) for file in sorted(PROMPTS.glob("*.wav"))]
    try:
        missing = instance.unseen(Path(connection.dir), files)
    except AsteriskNotRunningError:
        return Finding(
            "prompts", False, "{dir} の Asterisk が動いていません", "kakehashi asterisk up", {"dir": connection.dir}
        )
    if missing or not files:
        fix = "sounds/ja を Asterisk の {path} に置いてください"
        facts = {"missing": ", ".join(missing) or "*.wav", "path": PROMPTS_IN_ASTERISK}
        return Finding("prompts", False, "Asterisk が音声ガイダンスを見つけられません: {missing}", fix, facts)
    return Finding("prompts", True, "音声ガイダンス {count}個が見つかります", facts={"count": len(files)})


def _local(settings: Settings) -> Connection | None:
    """The Asterisk that `kakehashi asterisk up` started for this installation, where it is the one in use."""
    file = settings.state_dir / "asterisk.json"
    if not file.is_file():
        return None
    connection = Connection(**json.loads(file.read_text()))
    return connection if connection.ari_url == settings.ari_url else None


async def _found(client: AriClient, path: str) -> Any:
    try:
        return await client.fetch(path)
    except AriError as error:
        if error.status == HTTPStatus.NOT_FOUND:
            return None
        raise
