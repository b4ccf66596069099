"""Models to and from the Hugging Face hub, by `huggingface_hub`'s mixin and the rules for any stranger's folder.

A repository is looked at before anything of it is fetched: it must hold what a model has (safetensors, JSON, a README)
and nothing that could run, no file may be larger than the manifest and the config say, and each must have the hash
that the manifest has for it. What is fetched lies in the hub's own cache, by revision, and is read there offline.
"""

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import HfApi, ModelHubMixin, constants, hf_hub_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    HTTPError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from framefall import bounded
from framefall.cascade.about.card import LARGEST
from framefall.cascade.cascade import Cascade
from framefall.cascade.codec import build_autoencoder
from framefall.cascade.saved.checkpoint import (
    AUTOENCODER,
    CONFIG,
    FEW,
    MODEL,
    find,
    load_cascade,
    parameters,
    parse_config,
    save,
)
from framefall.cascade.saved.checkpoint import size as weights_of
from framefall.cascade.saved.hub_header import LIBRARY
from framefall.cascade.saved.tensors import HEADER
from framefall.outputs import folder as output_folder
from framefall.publish import MANIFEST, Corrupt
from framefall.published import files_in, listed


class Hub(ModelHubMixin, library_name=LIBRARY):  # type: ignore[call-arg]
    """A cascade as the hub's library handles models."""

    def __init__(self, cascade: Cascade) -> None:
        self.cascade = cascade

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | Path, **how: Any) -> "Hub":
        """A folder's cascade, a shipped one, or a repository's: the mixin itself would read a config unchecked."""
        asked: dict[str, Any] = dict.fromkeys(("revision", "cache_dir", "token"))
        asked |= {"force_download": False, "local_files_only": False}
        return cls._from_pretrained(model_id=str(pretrained_model_name_or_path), **{**asked, **how})

    @classmethod
    def _from_pretrained(
        cls,
        *,
        model_id: str,
        revision: str | None,
        cache_dir: str | Path | None,
        force_download: bool,
        local_files_only: bool,
        token: str | bool | None,
        device: str | torch.device = "cpu",
    ) -> "Hub":
        if (here := _here(model_id)) is not None:
            _check_names(files_in(here), model_id)
            return cls(load_cascade(here, device))
        asked = _Asked(model_id, revision, cache_dir, token, force_download, local_files_only)
        with asked.fetched() as folder:
            try:
                return cls(load_cascade(folder, device))
            except ValueError as error:
                told = str(error).replace(f"{folder}{os.sep}", f"{model_id}: ").replace(str(folder), model_id)
                raise (Corrupt if isinstance(error, Corrupt) else ValueError)(told) from None

    def save_pretrained(self, save_directory: str | Path, **how: Any) -> str | None:
        """The model's folder, in one step: the mixin itself would take away a config that is there first."""
        self._save_pretrained(Path(save_directory))
        if how.pop("push_to_hub", False):
            return self.push_to_hub(how.pop("repo_id", None) or Path(save_directory).name, **how)
        return None

    def _save_pretrained(self, save_directory: Path) -> None:
        save(self.cascade, output_folder(save_directory, MODEL, overwrite=None).path)

    def push_to_hub(self, repo_id: str, **how: Any) -> str:
        """The same as a commit, which also takes away weights and configs that the model has no longer."""
        how.setdefault("delete_patterns", ["*.safetensors", "*.json"])
        try:
            return super().push_to_hub(repo_id, **{name: value for name, value in how.items() if value is not None})
        except HTTPError as error:
            if not isinstance(error, HfHubHTTPError):
                raise ValueError(_unreached(repo_id, error)) from None
            if (status := error.response.status_code) not in (401, 403):
                raise ValueError(f"{repo_id} is not pushed: the hub answers {status}; try again") from None
            raise ValueError(
                f"{repo_id} must be a repository that you may write, and is none; log in (hf auth login), or give a"
                " token that may write there"
            ) from None
        except HFValidationError:
            raise ValueError(_no_name(repo_id)) from None
        except (ConnectionError, RuntimeError) as error:
            raise ValueError(_unreached(repo_id, error)) from None


@dataclass(frozen=True)
class _Asked:
    """A repository, and how it is asked for."""

    name: str
    revision: str | None
    cache: str | Path | None
    token: str | bool | None
    anew: bool
    local: bool

    @contextlib.contextmanager
    def fetched(self) -> Iterator[Path]:
        """A folder with the files of the manifest alone, for the length of the block: names of what the cache holds."""
        try:
            sizes, commit = (None, None) if self.local or constants.is_offline_mode() else self._listing()
            if sizes is None and not self.local:
                with replace(self, local=True, anew=False).fetched() as folder:
                    yield folder
                return
            manifest = self._file(MANIFEST, self.revision, bounded.TABLE, sizes)
            snapshot = manifest.parent
            if commit not in (None, snapshot.name):
                raise ValueError(f"{self.name} was changed while it was read; try again, or name a revision")
            with _folder(snapshot.parents[1]) as folder:
                _link(manifest, folder / MANIFEST)
                files = listed(folder)
                _check_names(files, self.name)
                for name, (nbytes, _) in files.items():
                    if sizes is not None and sizes.get(name, -1) != nbytes:
                        raise ValueError(
                            f"{self.name}: {name} must have the {nbytes:,} bytes of its manifest, the hub says"
                            f" {'that there is none' if name not in sizes else f'{sizes[name]:,}'}; push it anew"
                        )
                config = self._file(CONFIG, snapshot.name, bounded.TEXT, sizes) if CONFIG in files else None
                most = {} if config is None else _weights(config, self.name)
                for name, (nbytes, _) in files.items():  # all are looked at before the first of them is fetched
                    self._check(name, nbytes, most.get(name, LARGEST))
                for name, (nbytes, _) in files.items():
                    _link(self._file(name, snapshot.name, nbytes, sizes), folder / name)
                yield folder
        except (RepositoryNotFoundError, GatedRepoError, RevisionNotFoundError) as error:
            if isinstance(error, RevisionNotFoundError):
                what = f"has no revision {self.revision!r}; name a branch, a tag or a commit of it"
            else:
                what = "is neither a folder here nor a model on the hub that you may read; log in for a private one"
            raise ValueError(f"{self.name} {what}") from None
        except HFValidationError:
            raise ValueError(_no_name(self.name)) from None
        except LocalEntryNotFoundError:
            raise ValueError(
                f"{self.name} must be in the hub's cache to be read without a network, and is not, or not whole;"
                " load it once with one"
            ) from None
        except EntryNotFoundError:
            raise ValueError(f"{self.name} must have a {MANIFEST}, as a model of Framefall has, and has none") from None
        except HTTPError as error:
            raise ValueError(_unreached(self.name, error)) from None

    def _listing(self) -> tuple[dict[str, int] | None, str | None]:
        """The bytes of every file, and the commit; nothing where the hub cannot be reached and the cache must do."""
        try:
            about = HfApi(token=self.token).model_info(self.name, revision=self.revision, files_metadata=True)
        except HfHubHTTPError:
            raise
        except (HTTPError, ConnectionError):
            return None, None
        sizes = {one.rfilename: one.size or 0 for one in about.siblings or []}
        _check_names(sizes, self.name)
        return sizes, about.sha

    def _file(self, name: str, revision: str | None, most: int, sizes: dict[str, int] | None) -> Path:
        """A file in the cache, fetched if it is not there; one of more than `most` bytes is refused before that."""
        self._check(name, 0 if sizes is None else sizes.get(name, 0), most)
        found = hf_hub_download(
            self.name,
            name,
            revision=revision,
            cache_dir=self.cache,
            token=self.token,
            force_download=self.anew,
            local_files_only=self.local,
        )
        self._check(name, os.stat(found).st_size, most)
        return Path(found)

    def _check(self, name: str, has: int, most: int) -> None:
        if has > most:
            raise ValueError(f"{self.name}: {name} may have at most {most:,} bytes, has {has:,}: it is no such model")


def _here(name: str) -> Path | None:
    """A model's folder on this machine, or the shipped one of that name."""
    try:
        return find(name)
    except ValueError:
        return None


def _weights(config: Path, origin: str) -> dict[str, int]:
    """The most bytes that the files of the stages' weights may have: four a number, and a header."""
    found = dict[str, int]()
    for name, stage in parse_config(bounded.read(config), Path(origin, CONFIG)).stages.items():
        found[f"{name}.safetensors"] = weights_of(stage)
        if stage.latent is not None:
            with torch.device("meta"):
                found[f"{name}.{AUTOENCODER}"] = parameters(build_autoencoder(stage.latent).parameters())
        if stage.few is not None:
            found[f"{name}.{FEW}"] = weights_of(stage.with_few())
    return {file: 4 * count + HEADER for file, count in found.items()}


def _check_names(names: Iterable[str], origin: str) -> None:
    """Refuses what no model has: above all what can run code when it is loaded."""
    for name in sorted(names):
        if not _ALLOWED.fullmatch(name):
            raise ValueError(
                f"{origin} holds {name[:80]!r}, and a model must be of safetensors, JSON and a README alone,"
                " nothing that could run; it is not loaded"
            )


@contextlib.contextmanager
def _folder(beside: Path) -> Iterator[Path]:
    """An empty folder on the cache's own disk, where files can have a second name; elsewhere if it may not be there."""
    place = beside if os.access(beside, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix=".framefall-", dir=place) as folder:
        yield Path(folder)


def _link(source: Path, name: Path) -> None:
    """Another name of a file in the cache, or a copy where the disk has no such names."""
    try:
        os.link(os.path.realpath(source), name)
    except OSError:
        shutil.copyfile(source, name)


def _no_name(name: str) -> str:
    return f"a model must be a folder, a shipped name or a repository of the hub (OWNER/NAME), got {name!r}"


def _unreached(name: str, error: Exception) -> str:
    reason = next((line for line in str(error).splitlines() if line), type(error).__name__)
    return f"{constants.ENDPOINT} must be reached for {name}, and cannot be ({reason[:200]}); try again"


# weights, settings, words; pictures that show what it makes are never fetched
_ALLOWED = re.compile(
    r"(?!.*(^|/)\.\.)([\w-][\w.-]*\.(safetensors|json)|manifest\.json|README\.md|LICENSE(\.md|\.txt)?|\.gitattributes"
    r"|([\w-]+/)*[\w-][\w.-]*\.(gif|png|jpg|webp|mp4|webm))"
)
