"""What each template is given: one frozen type per page, plain fields, times in integer seconds UTC."""
