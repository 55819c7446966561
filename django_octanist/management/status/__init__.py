"""What ``octanist_status`` says: ``people``, ``document`` (JSON) and ``exposition`` (Prometheus) of the same health."""
