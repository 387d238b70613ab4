"""``python -m services.transformer``: run one transformer."""

from coedit.runtime.lifecycle import run_service
from services.transformer.app import Transformer
from services.transformer.settings import TransformerSettings

if __name__ == "__main__":
    run_service("transformer", TransformerSettings, lambda settings: Transformer(settings).run)
