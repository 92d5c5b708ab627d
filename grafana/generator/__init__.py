"""The dashboards of cxone-exporter, by Grafana's foundation SDK.

`frame` makes an empty dashboard with its variables and links, `panels` the kinds of panels in the house style, `now`, `fleet`,
`history`, `agent` and `exporter` one dashboard each, and `schema_v2` the same in Grafana's newer schema. Rules: every panel has a
description, a unit and a text for no data; nothing is repeated over agents or teams, lists are cut to the largest; a selector of a
tenant's series has `frame.TENANT`, which matches a missing label when All is chosen.
"""
