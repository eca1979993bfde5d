"""Where facts are kept. `contract` says what storage promises; everything else keeps the promise."""
