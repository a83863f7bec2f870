"""What each page knows: traitlets only, no widgets."""
