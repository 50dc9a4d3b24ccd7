"""The command line: `python -m app.cli …`, or `flask tinycut …`."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import click

from app import logs
from app.config import APP_MODEL_HOME, SETTINGS, ConfigError, Settings, current
from app.errors import AppError, BadRequest, ModelUnavailable
from app.services import model_files, model_rewrites
from app.services.model_manager import ModelManager
from app.services.option_words import read_options
from app.services.shipped_model import SHIPPED_MODEL
from app.services.tiny_u2net_service import SUFFIX_FORMATS
from app.services.tiny_u2net_service import tiny_u2net_service as service


@click.group()
def tinycut() -> None:
    """Cut the subject out of photos."""
    try:
        logs.configure(level=current().log_level, line_format=current().log_format)
    except ConfigError as fault:
        raise click.ClickException(str(fault)) from None


@tinycut.command()
@click.argument("input_path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("output_path", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--background-color", help="Hex, CSS name or r,g,b. Without it: transparent.")
@click.option(
    "--background-image",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A picture to put behind the subject.",
)
@click.option(
    "-o", "--option", "words", multiple=True, metavar="NAME=VALUE", help="Any option of the API (docs/api.md)."
)
def remove(
    input_path: Path, output_path: Path, background_color: str | None, background_image: Path | None, words: tuple[str]
) -> None:
    """Cut the subject of INPUT_PATH out into OUTPUT_PATH (.png, .jpg, .webp, .avif or .zip).

    For example: remove photo.jpg product.jpg -o preset=shop -o shadow=true
    """
    fields = dict(word.partition("=")[::2] for word in words)
    if background_color:
        fields["background_color"] = background_color
    image_format = SUFFIX_FORMATS.get(output_path.suffix.lower(), "png")
    try:
        image = background_image.read_bytes() if background_image else None
        options = read_options(fields, image_format=image_format, background_image=image)
        if options.format != image_format:
            raise BadRequest(f"The name {output_path.name} is not one of a {options.format}.")
    except AppError as fault:
        raise click.ClickException(fault.message) from None
    if not service.cut_out_file(input_path, output_path, options):
        sys.exit(1)
    click.echo(output_path)


@tinycut.command()
@click.option("--model", help="Model to fetch. Without it: the one that is served.")
@click.option("--in-app", is_flag=True, help="Keep u2netp in the app's own folder, to be deployed with it.")
def warm(model: str | None, in_app: bool) -> None:
    """Fetch the model if it is missing, check it, rewrite it and load it, so that a server starts at once."""
    settings, models = service.settings, service.models
    # Where the shipped network is to serve there is nothing to fetch.
    if in_app and (model or settings.model_name != SHIPPED_MODEL):
        # Small hosts serve u2netp whatever is asked, and the machine that builds may be a large one.
        if model not in (None, model_files.TINY_MODEL):
            raise click.UsageError(f"--in-app keeps {model_files.TINY_MODEL} only: leave --model out.")
        model = model_files.TINY_MODEL
        # What is built is one folder with all that a host needs, whatever the server is told to do there.
        settings = replace(settings, u2net_home=str(APP_MODEL_HOME), model_cache_dir="", auto_download=True)
        models = ModelManager(settings)
    try:
        name = models.fetch(model).name
    except ModelUnavailable as fault:
        raise click.ClickException(fault.detail) from None
    except AppError as fault:
        raise click.ClickException(fault.message) from None
    click.echo(f"{name} is ready")
    source = model_files.find_model(name, settings)
    if source is None:
        return
    rewritten = _rewritten_files(source, settings)
    for path in (source, *rewritten):
        click.echo(f"{path.stat().st_size / 1e6:5.1f} MB  {path}")
    if name == model_files.TINY_MODEL and not rewritten:
        raise click.ClickException(
            "The model is here but could not be rewritten: serving it as it is takes three times the memory."
        )


def _rewritten_files(source: Path, settings: Settings) -> list[Path]:
    rewrites = model_rewrites.find(source, settings)
    return [path for path in (rewrites.float_path, rewrites.int8_path) if path.is_file()]


@tinycut.command()
@click.option("--json", "as_json", is_flag=True, help="Print all that was found as JSON.")
def doctor(as_json: bool) -> None:
    """Look at this host, cut out a photo, and say what would be wrong in production.

    Downloads nothing. The exit status is 1 where there is a fault, 0 where there is only advice.
    """
    from app.services import doctor_report  # with its packages of no use to a server, which imports this file too

    now = current()
    if now.log_level == "info":
        logs.configure(level="warning", line_format=now.log_format)
    try:
        report = doctor_report.make(service)
    except ConfigError as fault:
        raise click.ClickException(str(fault)) from None
    click.echo(report.as_json() if as_json else report.as_text())
    sys.exit(0 if report.is_sound else 1)


@tinycut.command()
def settings() -> None:
    """List every setting with its value now, its default and what it does."""
    now = current()
    for setting in SETTINGS:
        value = getattr(now, setting.name.lower())
        if setting.secret and value != setting.default:
            value = "(set, not shown)"
        click.echo(f"{setting.name}={value}\n    {setting.help} Default: {setting.default!r}.")


if __name__ == "__main__":
    tinycut()
