"""The report of a search: read from MLflow, drawn with plotly, one HTML file that works offline.

Start at `reading` (what is in the store) and `page` (what the file tells).
"""
