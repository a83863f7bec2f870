"""How each page looks: ipywidgets and one anywidget grid."""
