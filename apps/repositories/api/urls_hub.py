"""The hub API's addresses, the same for models, datasets and Spaces."""

from __future__ import annotations

from django.urls import URLPattern, path

from apps.repositories.api import converters, files, repos, uploads  # noqa: F401  (converters register themselves)


def of_type(type: str) -> list[URLPattern]:
    repository = f"{type}/<str:namespace>/<str:name>"
    kind = {"type": type}
    return [
        path(type, repos.listing, kind, name=f"hub-{type}"),
        path(repository, repos.info, kind, name=f"hub-{type}-info"),
        path(f"{repository}/revision/<rev:revision>", repos.info, kind, name=f"hub-{type}-revision"),
        path(f"{repository}/auth-check", repos.auth_check, kind, name=f"hub-{type}-auth-check"),
        path(f"{repository}/auth-check/write", repos.auth_check_write, kind, name=f"hub-{type}-auth-check-write"),
        path(f"{repository}/settings", repos.settings, kind, name=f"hub-{type}-settings"),
        path(f"{repository}/tree/<rev:revision>", files.tree, kind, name=f"hub-{type}-tree"),
        path(f"{repository}/tree/<rev:revision>/<entry:path>", files.tree, kind, name=f"hub-{type}-tree-path"),
        path(f"{repository}/paths-info/<rev:revision>", files.paths_info, kind, name=f"hub-{type}-paths-info"),
        path(f"{repository}/refs", files.refs, kind, name=f"hub-{type}-refs"),
        path(f"{repository}/commits/<rev:revision>", files.commits, kind, name=f"hub-{type}-commits"),
        path(f"{repository}/branch/<rev:branch>", files.branch, kind, name=f"hub-{type}-branch"),
        path(f"{repository}/tag/<rev:revision>", files.tag, kind, name=f"hub-{type}-tag"),
        path(f"{repository}/preupload/<rev:revision>", uploads.preupload, kind, name=f"hub-{type}-preupload"),
        path(f"{repository}/commit/<rev:revision>", uploads.commit, kind, name=f"hub-{type}-commit"),
        path(
            f"{repository}/xet-write-token/<rev:revision>", uploads.xet_write_token, kind, name=f"hub-{type}-xet-write"
        ),
        path(f"{repository}/xet-read-token/<rev:revision>", uploads.xet_read_token, kind, name=f"hub-{type}-xet-read"),
    ]


urlpatterns = [
    path("repos/create", repos.create, name="hub-repo-create"),
    path("repos/delete", repos.delete, name="hub-repo-delete"),
    path("validate-yaml", uploads.validate_yaml, name="hub-validate-yaml"),
    *of_type("models"),
    *of_type("datasets"),
    *of_type("spaces"),
]
