"""The pages people see: server-rendered HTML that works without JavaScript."""
