"""Everything that can go wrong and be told to a user: one family.

The docstring of a class is its message, in Japanese, the product's source language; the facts it names are
the exception's attributes. `code` is the stable name of the error for machines, `field` the input it is about.
The English text lives in web/locale under the Japanese one.
"""

from typing import Any, ClassVar


class KakehashiError(Exception):
    """処理を完了できませんでした"""

    code: ClassVar[str] = "error"
    field: str | None = None

    def __init__(self, **facts: Any) -> None:
        """Keep `facts` (the values the message names, and `field`) as attributes."""
        super().__init__()
        self.facts = facts
        if "field" in facts:
            self.field = facts["field"]

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["facts"][name]
        except KeyError:
            raise AttributeError(name) from None

    @property
    def message(self) -> str:
        """The message's template in the source language, as the catalogue keys it."""
        return " ".join(line.strip() for line in (self.__doc__ or "").strip().splitlines())

    def __str__(self) -> str:
        return self.message.format(**self.facts)


# Input


class InvalidInputError(KakehashiError):
    """入力内容に誤りがあります"""

    code = "invalid_input"


class NumberMissingError(InvalidInputError):
    """電話番号を入力してください"""

    code = "number_missing"


class NumberCharactersError(InvalidInputError):
    """電話番号に使えない文字が含まれています。数字とハイフンで入力してください"""

    code = "number_characters"


class NumberLengthError(InvalidInputError):
    """電話番号は{minimum}〜{maximum}桁で入力してください"""

    code = "number_length"


class NumberNotNationalError(InvalidInputError):
    """電話番号は市外局番または携帯電話の番号から、0で始めて入力してください"""

    code = "number_not_national"


class EmergencyNumberError(InvalidInputError):
    """緊急通報の番号には発信できません。お手元の電話から直接おかけください"""

    code = "emergency_number"


class DestinationNotAllowedError(InvalidInputError):
    """この番号への発信は許可されていません（国際電話・有料サービスなど）。必要な場合はシステム管理者に許可を依頼してください"""

    code = "destination_not_allowed"


class OwnCompanyNumberError(InvalidInputError):
    """{number} は自社の電話番号（共通設定 > 電話番号）のため使用できません。別の電話番号を指定してください"""

    code = "own_company_number"


class OwnDeviceNumberError(InvalidInputError):
    """相手の電話番号が自身の電話番号と同じです。お客様の電話番号を入力してください"""

    code = "own_device_number"


class CallerIdNotAllowedError(InvalidInputError):
    """この通知番号は利用できません。選択できる通知番号から選んでください"""

    code = "caller_id_not_allowed"


class PrefixFormatError(InvalidInputError):
    """プレフィックス番号は1〜2桁で、0を含まず、184・186と重ならない番号にしてください"""

    code = "prefix_format"


class PeriodError(InvalidInputError):
    """期間の指定に誤りがあります。終了日時は開始日時より後にしてください"""

    code = "period"


class FieldMissingError(InvalidInputError):
    """{field} を指定してください"""

    code = "missing"


class FieldUnknownError(InvalidInputError):
    """{field} という項目はありません"""

    code = "unknown_field"


class FieldTypeError(InvalidInputError):
    """{field} は {expected} 型で指定してください"""

    code = "wrong_type"


class FieldRangeError(InvalidInputError):
    """{field} の値または長さが範囲外です（{limit}）"""

    code = "out_of_range"


class FieldChoiceError(InvalidInputError):
    """{field} は {choices} のいずれかを指定してください"""

    code = "unknown_choice"


class FieldFormatError(InvalidInputError):
    """{field} の形式が正しくありません。使えない文字が含まれていないか確認してください"""

    code = "wrong_format"


class LoginFormatError(InvalidInputError):
    """ログインIDは英数字で始まる64文字以内の英数字と . _ @ + - で入力してください"""

    code = "login_format"


class NameFormatError(InvalidInputError):
    """名前は1〜{maximum}文字の1行で入力してください"""

    code = "name_format"


class EmailFormatError(InvalidInputError):
    """メールアドレスの形式が正しくありません"""

    code = "email_format"


class PasswordLengthError(InvalidInputError):
    """パスワードは{minimum}文字以上で入力してください"""

    code = "password_length"


class TopmostAccountError(InvalidInputError):
    """最上位のシステム管理者は、エージェントにすることも、ロールの変更や無効化をすることもできません"""

    code = "topmost_account"


class AlreadyExistsError(InvalidInputError):
    """{value} はすでに登録されています"""

    code = "already_exists"


class UnknownWordError(InvalidInputError):
    """使える値は {words} です"""

    code = "unknown_word"


class FileEncodingError(InvalidInputError):
    """ファイルの文字コードを読み取れません。UTF-8 か CP932（シフトJIS）で保存してください"""

    code = "file_encoding"


class UnknownColumnError(InvalidInputError):
    """この列はありません。使える列: {columns}"""

    code = "unknown_column"


class MissingColumnError(InvalidInputError):
    """この列が必要です"""

    code = "missing_column"


class ColumnCountError(InvalidInputError):
    """列の数が見出しと合いません"""

    code = "column_count"


class ImportRefusedError(InvalidInputError):
    """{count}件の誤りがあるため、何も登録していません"""

    code = "import_refused"


class NotFoundError(KakehashiError):
    """{value} が見つかりません"""

    code = "not_found"


class InUseError(KakehashiError):
    """{value} には発信の記録があるため削除できません。使わせない場合は無効にしてください"""

    code = "in_use"


class TooManyResultsError(KakehashiError):
    """検索結果が{limit}件を超えました。条件を絞り込むか、非同期検索をご利用ください"""

    code = "too_many_results"


# Preconditions of a callback (exact texts of the manual, version 3.10.X)


class CallbackUnavailableError(KakehashiError):
    """アカウントのエージェント利用が無効であるか、サインイン端末が内線番号になっています
    エージェント利用が有効なアカウントでログインするか、サインイン端末を変更してください"""

    code = "callback_unavailable"

    @property
    def message(self) -> str:
        """Two sentences on two lines, as the manual prints them."""
        return "\n".join(line.strip() for line in (self.__doc__ or "").strip().splitlines())


class NoCallerIdError(CallbackUnavailableError):
    """通知番号に選択可能な電話番号がありません
    着信グループ、IVR、コールセンター着信のいずれかにダイヤルイン番号を設定してください"""

    code = "no_caller_id"


class DeviceUnverifiedError(KakehashiError):
    """自身の電話番号が確認されていません。マイアカウントで確認の電話を受けてください"""

    code = "device_unverified"


# Orders


class CapacityError(KakehashiError):
    """同時通話数の上限（{limit}）に達しています。しばらくしてからもう一度発信してください"""

    code = "capacity"


class AgentBusyError(KakehashiError):
    """このアカウントは発信中または通話中です。通話が終わってから発信してください"""

    code = "agent_busy"


class IdempotencyConflictError(KakehashiError):
    """この Idempotency-Key は別の内容で使われています。新しいキーを付けてください"""

    code = "idempotency_conflict"
    field = "Idempotency-Key"


class TooLateToCancelError(KakehashiError):
    """お客様が応答した後はキャンセルできません。電話を切って終了してください"""

    code = "too_late_to_cancel"


# Access


class NotSignedInError(KakehashiError):
    """サインインしてください"""

    code = "not_signed_in"


class WrongCredentialsError(KakehashiError):
    """ログインIDまたはパスワードが正しくありません"""

    code = "wrong_credentials"


class TooManyAttemptsError(KakehashiError):
    """ログインの失敗が続いたため、{wait_s}秒後までログインできません"""

    code = "too_many_attempts"


class ForgedRequestError(KakehashiError):
    """この画面の有効期限が切れたか、別のサイトからの操作です。画面を再読み込みしてからもう一度お試しください"""

    code = "forged_request"


class TokenMissingError(NotSignedInError):
    """API トークンを Authorization: Bearer ヘッダーで送ってください"""

    code = "token_missing"


class InvalidTokenError(KakehashiError):
    """APIトークンが正しくないか、有効期限が切れています。システム管理者に新しいトークンを依頼してください"""

    code = "invalid_token"


class NotPermittedError(KakehashiError):
    """この操作の権限がありません。システム管理者に権限の付与を依頼してください"""

    code = "not_permitted"


# Requests to the HTTP API


class MalformedRequestError(KakehashiError):
    """リクエストの本文を UTF-8 の JSON として読み取れません"""

    code = "malformed"


class RequestTooLargeError(KakehashiError):
    """リクエストの本文が大きすぎます。{limit}バイト以内にしてください"""

    code = "too_large"


class MediaTypeError(KakehashiError):
    """リクエストの本文は Content-Type: application/json で送ってください"""

    code = "unsupported_media_type"


class NoSuchPathError(KakehashiError):
    """{path} という URL はありません。/api/docs を確認してください"""

    code = "no_such_path"


class MethodNotAllowedError(KakehashiError):
    """この URL では {method} を使えません"""

    code = "method_not_allowed"


# Surroundings


class TelephonyUnavailableError(KakehashiError):
    """電話システムに接続できないため、いま発信できません。しばらくしてからもう一度お試しください"""

    code = "telephony_unavailable"


class DatabaseUnavailableError(KakehashiError):
    """データベースに接続できないため、処理できません。しばらくしてからもう一度お試しください"""

    code = "database_unavailable"


class AmiUnavailableError(KakehashiError):
    """Asterisk の AMI（{url}）を使えません: {reason}"""

    code = "ami_unavailable"


class ConfigurationError(KakehashiError):
    """設定 {field} が正しくありません: {problem}"""

    code = "configuration"


class CelFileMissingError(KakehashiError):
    """Asterisk の CEL ファイルがありません（KAKEHASHI_CEL_FILE: {file}）"""

    code = "cel_file_missing"


class CdrExportError(KakehashiError):
    """CDR_EXPORT_URL のデータベースの cdr 表に書き込めません: {problem}"""

    code = "cdr_export"


# Asterisk instances that this project starts


class RootfsBuildError(KakehashiError):
    """Asterisk の実行環境（rootfs）を作成できませんでした: {reason}"""

    code = "rootfs_build"


class RootfsMissingError(KakehashiError):
    """Asterisk の実行環境（rootfs）が {path} にありません。kakehashi asterisk build を実行してください"""

    code = "rootfs_missing"


class PortInUseError(KakehashiError):
    """ポート {address} は使用中です。別のポートを指定してください"""

    code = "port_in_use"


class NodeTakenError(KakehashiError):
    """電話ノード {node} は別のプロセスが動かしています。そちらを終了するか、--node で別の名前を指定してください"""

    code = "node_taken"


class AsteriskConflictError(KakehashiError):
    """{dir} の Asterisk は別の設定（{difference}）で動作中です。停止してから起動してください"""

    code = "asterisk_conflict"


class AsteriskStartError(KakehashiError):
    """Asterisk を起動できませんでした: {reason}（記録: {log}）"""

    code = "asterisk_start"


class AsteriskNotRunningError(KakehashiError):
    """{dir} の Asterisk は動作していません"""

    code = "asterisk_not_running"


class DemoRunningError(KakehashiError):
    """{dir} のデモはすでに動いています。そちらを終了してください"""

    code = "demo_running"


class SchemaNewerError(KakehashiError):
    """データベースはこのプログラムより新しい版（{revision}）です。新しい版のプログラムを使用してください"""

    code = "schema_newer"
