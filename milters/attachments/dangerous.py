"""dangerous - what a desktop runs when somebody opens it: the bundled list of extensions. Pure.

Programs, installers, scripts that Windows or macOS start by a double click, shortcuts, disk images (whose contents bear
no mark of the web), and documents that are programs. Left out are sources of languages that no desktop brings along
(py, pl, sh): a rule can name them.
"""

from __future__ import annotations

_PROGRAMS = """
    exe com scr pif cpl msi msp mst msu msix msixbundle appx appxbundle appinstaller dll ocx sys drv xll gadget
"""
_SCRIPTS = """
    bat cmd ps1 ps1xml ps2 ps2xml psc1 psc2 psd1 psdm1 psm1 msh msh1 msh2 mshxml msh1xml msh2xml vb vbe vbs vbp js jse
    wsf wsc wsh ws sct shb shs hta inf ins isp job reg msc cnt hpj hlp its mad maf mag mam maq mar mas mat mau mav maw
    mda mde mdt mdw mdz ade adp bas vsmacros vsw vxd ops osd plg prg prf fxp app jar jnlp class xbap application
    appref-ms appcontent-ms settingcontent-ms search-ms library-ms searchconnector-ms website webpnp printerexport
    diagcab diagcfg diagpkg theme themepack msstyles grp pcd xnk ppkg rdp
"""
_SHORTCUTS = "lnk url scf desktop webloc"
_IMAGES = "iso img vhd vhdx vmdk dmg udf ace arj cab wim"
_DOCUMENTS = "chm slk iqy oqy rqy dqy wll wbk xla xlam ppa ppam"
_OTHERS = "apk ipa command pkg action workflow scpt scptd osx elf run deb rpm"
_CLASS_ID = "{}"  # a name that ends in .{number of a class}

EXTENSIONS = frozenset(
    f"{_PROGRAMS} {_SCRIPTS} {_SHORTCUTS} {_IMAGES} {_DOCUMENTS} {_OTHERS} {_CLASS_ID}".split()
)
