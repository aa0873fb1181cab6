"""Where Django looks for the commands of an application that is named in INSTALLED_APPS, as \"hotswap\" may be."""
