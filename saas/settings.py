"""Settings read from the environment; what is not given is found in, or generated into, ATRIUM_HOME."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ

from saas.embedded.home import Home
from saas.logging import logging_config

env = environ.Env()
BASE_DIR = Path(__file__).resolve().parent.parent
ATRIUM_HOME = Path(env.str("ATRIUM_HOME", default=str(BASE_DIR / ".atrium"))).resolve()
ATRIUM_HOST: str = env.str("ATRIUM_HOST", default="127.0.0.1")
ATRIUM_PORT: int = env.int("ATRIUM_PORT", default=8000)
ATRIUM_GIT_ROOT = Path(env.str("ATRIUM_GIT_ROOT", default=str(ATRIUM_HOME / "git")))
ATRIUM_PUBLIC_URLS: list[str] = env.list("ATRIUM_PUBLIC_URLS", default=[])
# Where workers reach the hub: they read and write repositories over HTTP like everybody else.
ATRIUM_INTERNAL_URL: str = env.str("ATRIUM_INTERNAL_URL", default=f"http://127.0.0.1:{ATRIUM_PORT}")
ATRIUM_SAFE_HTTP_ALLOW: list[str] = env.list("ATRIUM_SAFE_HTTP_ALLOW", default=[])
# Addresses or networks whose X-Forwarded-For and X-Forwarded-Proto are believed.
ATRIUM_TRUSTED_PROXIES: list[str] = env.list("ATRIUM_TRUSTED_PROXIES", default=[])

_secrets = Home(ATRIUM_HOME).secrets()
SECRET_KEY: str = env.str("ATRIUM_SECRET_KEY", default="") or _secrets.secret_key
ATRIUM_TOKEN_PEPPER: str = env.str("ATRIUM_TOKEN_PEPPER", default="") or _secrets.token_pepper
# "kid:key,kid:key": the first encrypts, all decrypt.
ATRIUM_ENCRYPTION_KEYS: str = env.str("ATRIUM_ENCRYPTION_KEYS", default="") or _secrets.encryption_keys

DEBUG = False
_loopback = ATRIUM_HOST in {"127.0.0.1", "::1", "localhost"}
# Links in mails are built from the Host header, so only names that are ours are answered; others come with ATRIUM_PUBLIC_URLS.
ALLOWED_HOSTS: list[str] = env.list(
    "ATRIUM_ALLOWED_HOSTS",
    default=[
        *("127.0.0.1", "localhost", "[::1]", ".localhost"),
        *([] if _loopback else [ATRIUM_HOST, socket.gethostname()]),
        *(host for url in [*ATRIUM_PUBLIC_URLS, ATRIUM_INTERNAL_URL] if (host := urlsplit(url).hostname)),
    ],
)
CSRF_TRUSTED_ORIGINS = [url for url in ATRIUM_PUBLIC_URLS if url.startswith("https://")]
_https = bool(ATRIUM_PUBLIC_URLS) and all(url.startswith("https://") for url in ATRIUM_PUBLIC_URLS)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if _https else None

INSTALLED_APPS = [
    "saas",
    "apps.core",
    "apps.accounts",
    "apps.orgs",
    "apps.billing",
    "apps.webhooks",
    "apps.repositories",
    "apps.jobs",
    "apps.dashboard",
    "allauth",
    "allauth.account",
    "rest_framework",
    "drf_spectacular",
    "csp",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]

MIDDLEWARE = [
    "apps.core.middleware.RequestIdMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "apps.accounts.middleware.PrincipalMiddleware",
    "apps.core.middleware.ErrorMiddleware",
]

ROOT_URLCONF = "saas.urls"
ASGI_APPLICATION = "saas.asgi.application"
APPEND_SLASH = False
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

_role = env.str("ATRIUM_DB_ROLE", default="runtime")
_database_url = "DATABASE_OWNER_URL" if _role == "owner" else "DATABASE_URL"
DATABASES: dict[str, dict[str, Any]] = {
    "default": {
        **env.db_url(_database_url, default="postgres://atrium@127.0.0.1:1/atrium"),
        "ENGINE": "django.db.backends.postgresql",
        "CONN_MAX_AGE": 0,
        "OPTIONS": {"pool": {"min_size": 1, "max_size": 16, "timeout": 10}} if _role == "runtime" else {},
    }
}
# The role that the application runs as: owns nothing, may not rewrite what is append-only (see apps.core.database).
ATRIUM_RUNTIME_ROLE: str = env.str("ATRIUM_RUNTIME_ROLE", default="") or (
    env.db_url("DATABASE_URL", default="postgres://atrium@127.0.0.1:1/atrium").get("USER") or "atrium"
)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL: str = env.str("REDIS_URL", default="redis://127.0.0.1:1/0")
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": env.str("ATRIUM_CACHE_PREFIX", default="atrium"),
    }
}
S3_ENDPOINT_URL: str = env.str("S3_ENDPOINT_URL", default="")
S3_ACCESS_KEY_ID: str = env.str("S3_ACCESS_KEY_ID", default="")
S3_SECRET_ACCESS_KEY: str = env.str("S3_SECRET_ACCESS_KEY", default="")
S3_BUCKET: str = env.str("S3_BUCKET", default="atrium")
S3_REGION: str = env.str("S3_REGION", default="us-east-1")

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_LOGOUT_REDIRECT_URL = "/"
ACCOUNT_ADAPTER = "apps.orgs.adapter.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email*", "password1*", "password2*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = "username"
ACCOUNT_USERNAME_VALIDATORS = "apps.orgs.names.username_validators"
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = "[Atrium] "

_email_url = env.str("EMAIL_URL", default="")
ACCOUNT_EMAIL_VERIFICATION = "mandatory" if _email_url else "none"
if _email_url:
    _email = env.email_url("EMAIL_URL")
    EMAIL_BACKEND = _email["EMAIL_BACKEND"]
    EMAIL_HOST = _email["EMAIL_HOST"]
    EMAIL_PORT = _email["EMAIL_PORT"]
    EMAIL_HOST_USER = _email["EMAIL_HOST_USER"]
    EMAIL_HOST_PASSWORD = _email["EMAIL_HOST_PASSWORD"]
    EMAIL_USE_TLS = _email.get("EMAIL_USE_TLS", False)
    EMAIL_USE_SSL = _email.get("EMAIL_USE_SSL", False)
else:
    EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    EMAIL_FILE_PATH = str(ATRIUM_HOME / "mail")
DEFAULT_FROM_EMAIL = env.str("ATRIUM_FROM_EMAIL", default="atrium@localhost")

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = True
STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
# Served straight from the checkout, by finders: nothing to collect before the first page.
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _https
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SECURE_HSTS_SECONDS = 31_536_000 if _https else 0
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
        "base-uri": ["'none'"],
    }
}
# Commits carry plain files inline as base64.
DATA_UPLOAD_MAX_MEMORY_SIZE = 128 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 10_000

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["apps.accounts.rest.PrincipalAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": [],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["apps.core.rest.StorableJSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "apps.core.rest.exception_handler",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Atrium API",
    "DESCRIPTION": "Repositories, CLIP jobs, webhooks and usage of an Atrium server.",
    "VERSION": "0.1.0",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "PREPROCESSING_HOOKS": ["apps.core.rest.only_own_api"],
}

CELERY_BROKER_URL = REDIS_URL
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_DEFAULT_QUEUE = "control"
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 3600,
    "socket_timeout": 5,
    "socket_connect_timeout": 3,
    "global_keyprefix": env.str("ATRIUM_BROKER_PREFIX", default=""),
}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# A dead broker must cost a request a moment, not its success: the outbox sweep tells Celery later.
CELERY_TASK_PUBLISH_RETRY = False
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BEAT_SCHEDULE_FILENAME = str(ATRIUM_HOME / "run" / "beat")

LOGGING = logging_config(env.str("ATRIUM_LOG_LEVEL", default="INFO"))
LOGGING_CONFIG = "logging.config.dictConfig"

# Checks that must be registered before the server starts: before a ref moves, before content is handed out.
ATRIUM_GATES: dict[str, list[str]] = {"push": [], "download": []}

# A worker that has not been heard of for so long is taken for lost, and its job is queued again.
ATRIUM_JOB_LEASE_SECONDS: int = env.int("ATRIUM_JOB_LEASE_SECONDS", default=30)
CELERY_BEAT_SCHEDULE = {
    "core.sweep_outbox": {"task": "core.sweep_outbox", "schedule": 5.0, "options": {"expires": 5}},
    "jobs.sweep": {"task": "jobs.sweep", "schedule": 5.0, "options": {"expires": 5}},
    "webhooks.sweep_due": {"task": "webhooks.sweep_due", "schedule": 2.0, "options": {"expires": 2}},
    "repositories.reconcile_refs": {
        "task": "repositories.reconcile_refs",
        "schedule": 10.0,
        "options": {"expires": 10},
    },
}
