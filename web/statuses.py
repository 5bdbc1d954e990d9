"""The HTTP status of each kind of error: one table, for the panel and the API."""

from http import HTTPStatus

from ari_app import errors

_STATUS: dict[type[errors.KakehashiError], HTTPStatus] = {
    errors.MalformedRequestError: HTTPStatus.BAD_REQUEST,
    errors.NotSignedInError: HTTPStatus.UNAUTHORIZED,
    errors.WrongCredentialsError: HTTPStatus.UNAUTHORIZED,
    errors.InvalidTokenError: HTTPStatus.UNAUTHORIZED,
    errors.NotPermittedError: HTTPStatus.FORBIDDEN,
    errors.ForgedRequestError: HTTPStatus.FORBIDDEN,
    errors.NotFoundError: HTTPStatus.NOT_FOUND,
    errors.NoSuchPathError: HTTPStatus.NOT_FOUND,
    errors.MethodNotAllowedError: HTTPStatus.METHOD_NOT_ALLOWED,
    errors.AgentBusyError: HTTPStatus.CONFLICT,
    errors.CapacityError: HTTPStatus.CONFLICT,
    errors.TooLateToCancelError: HTTPStatus.CONFLICT,
    errors.InUseError: HTTPStatus.CONFLICT,
    errors.RequestTooLargeError: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.MediaTypeError: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    errors.InvalidInputError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.IdempotencyConflictError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.TooManyResultsError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.CallbackUnavailableError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.DeviceUnverifiedError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.TooManyAttemptsError: HTTPStatus.TOO_MANY_REQUESTS,
    errors.TelephonyUnavailableError: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.DatabaseUnavailableError: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.KakehashiError: HTTPStatus.INTERNAL_SERVER_ERROR,
}


def status_of(error: errors.KakehashiError) -> HTTPStatus:
    """The status of an error: its class's, or its nearest ancestor's."""
    return next(_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS)
